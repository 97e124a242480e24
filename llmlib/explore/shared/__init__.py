"""Provide what several views use: access to a live model, its tokens as text, and checks with messages for users."""
