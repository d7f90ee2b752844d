"""What differs between the backends of Keras: how a loss is differentiated.

Each module has `updating(model, optimizer, recipe)` and `repeatable()`, as `training.update`
describes them; the environment's `KERAS_BACKEND` says which one is used.
"""
