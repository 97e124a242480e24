"""Questions for the primer: tensors, gradients, one training step."""
