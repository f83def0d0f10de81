"""The home of the ShuffleNet family: tiny, fast image classifiers.

    import shufflenet

    model = shufflenet.open_model()              # the one that ships in the package
    for path, predictions in model.classify(["cat.jpg"]): ...

Nothing here loads torch; the networks themselves are in ``shufflenet.models``.
"""
