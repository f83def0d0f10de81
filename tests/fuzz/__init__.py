"""A fuzzer of fixed seed over every file that a stranger can give, and every door that takes one.

A case is a door and a number: the number alone decides which file is made and how it is damaged,
so that a finding can be made again. A case passes if the door answers, or raises an error of this
package; it fails by any other exception, a wrong answer, a crash, a hang, or too much memory.

``tests/test_fuzz.py`` runs some cases of each door. For hours, by hand:

    PYTHONPATH=tests python tools/run_fuzzer.py --seconds 3600
"""
