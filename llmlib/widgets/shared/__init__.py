"""Provide what all views share: the base class, exports, static pictures, text for tokens, and browser code."""
