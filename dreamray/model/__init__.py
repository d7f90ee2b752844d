"""The network: its layers, its weights, and the gradient of the objective by TensorFlow."""
