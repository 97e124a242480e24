"""What several views use: their own access to a live model, its tokens as text, and checks with words for a reader."""
