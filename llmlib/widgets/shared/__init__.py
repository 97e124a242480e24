"""Code that all views share: base class, exports, static pictures, the spelling of tokens, and the browser's side."""
