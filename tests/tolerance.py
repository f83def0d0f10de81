"""How far two computations of the same thing may lie apart, each with its reason."""

# Float64 sums of up to 2,048 products in another order: 1e-15 was seen on every network.
FLOAT64_RELATIVE = 1e-10
# The same in float32, through 56 layers: 2e-6 of the largest logit was seen.
FLOAT32_RELATIVE = 2e-5
# Against the original implementation with the same weights: 6e-15 was seen, in Large.
FLOAT64_ORIGINAL = 1e-12
# The same where the original runs in float32 only (the ONNX zoo's graph): 5e-7 was seen.
FLOAT32_ORIGINAL = 5e-6
# The same where Paddle's epsilon, 2.5e-13 less, takes the place of 1e-5.
FLOAT64_PADDLE = 1e-11
