"""Code that several views share: access to a live model, its tokens as text, and checks with messages for users."""
