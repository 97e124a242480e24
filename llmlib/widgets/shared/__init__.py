"""Code that all views share: base class, exports, static pictures, the way tokens are written, and browser code."""
