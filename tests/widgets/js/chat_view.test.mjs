import assert from "node:assert/strict";
import test from "node:test";

import { withReturned } from "../../../llmlib/widgets/chat_view/view.mjs";

test("a message that comes back does not displace what was typed meanwhile", () => {
  assert.equal(withReturned("too long", ""), "too long");
  assert.equal(withReturned("too long", "Hi"), "too long\nHi");
});
