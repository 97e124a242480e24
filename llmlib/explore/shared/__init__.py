"""Share code between views: access to a live model, its tokens as text, and checks with messages for users."""
