"""How the bestiary weights are made: the pictures, the training, the choice, the export."""
