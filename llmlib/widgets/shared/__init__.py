"""What the views share: base class, exports, static pictures, how tokens are written, and the browser's side."""
