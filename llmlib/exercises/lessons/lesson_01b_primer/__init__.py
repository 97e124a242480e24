"""Questions of the primer: tensors, gradients, one training step."""
