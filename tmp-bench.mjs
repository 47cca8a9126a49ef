// protocols/codec/bytes.ts
var DecodeError = class extends Error {
  name = "DecodeError";
  offset;
  constructor(message, offset) {
    super(`${message} at byte ${offset}`);
    this.offset = offset;
  }
};
var EMPTY = new Uint8Array(0);
var textEncoder = new TextEncoder();
var strictTextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
var utf8 = (text) => textEncoder.encode(text);
function fromUtf8(bytes) {
  try {
    return strictTextDecoder.decode(bytes);
  } catch {
    throw new DecodeError("malformed UTF-8", 0);
  }
}
var HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
function toHex(bytes) {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}
function fromHex(text) {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new DecodeError("not hexadecimal", 0);
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
var CHUNK = 8192;
function toBase64(bytes) {
  let binary = "";
  for (let i = 0; i < bytes.length; i += CHUNK) binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(binary);
}
function fromBase64(text) {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new DecodeError("not base64", 0);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
function toByteString(bytes) {
  if (bytes.length <= CHUNK) return String.fromCharCode.apply(null, bytes);
  let text = "";
  for (let i = 0; i < bytes.length; i += CHUNK) text += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return text;
}
function fromByteString(text) {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
function concat(...parts) {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
function equalBytes(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
var ByteReader = class {
  bytes;
  offset;
  #view;
  constructor(bytes, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get remaining() {
    return this.bytes.length - this.offset;
  }
  #take(length) {
    if (length < 0 || length > this.remaining) throw new DecodeError(`needs ${length} bytes, ${this.remaining} left`, this.offset);
    const at = this.offset;
    this.offset += length;
    return at;
  }
  u8() {
    return this.#view.getUint8(this.#take(1));
  }
  u16le() {
    return this.#view.getUint16(this.#take(2), true);
  }
  u32le() {
    return this.#view.getUint32(this.#take(4), true);
  }
  u48le() {
    const at = this.#take(6);
    return this.#view.getUint32(at, true) + this.#view.getUint16(at + 4, true) * 2 ** 32;
  }
  /** An unsigned 64-bit integer that must not exceed 2^53 − 1. */
  u64le() {
    const at = this.#take(8);
    const value = this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
    if (!Number.isSafeInteger(value)) throw new DecodeError("integer too large", at);
    return value;
  }
  u64be() {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw new DecodeError("integer too large", at);
    return value;
  }
  /** A view on the buffer, not a copy. */
  take(length) {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }
  /** u32le length, then that many bytes; refused above `max`. */
  blob(max) {
    const length = this.u32le();
    if (length > max) throw new DecodeError(`length ${length} exceeds ${max}`, this.offset - 4);
    return this.take(length);
  }
  /** u16le length, then that many bytes of UTF-8. */
  text() {
    const at = this.offset;
    const bytes = this.take(this.u16le());
    try {
      return fromUtf8(bytes);
    } catch {
      throw new DecodeError("malformed UTF-8", at);
    }
  }
  end() {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} bytes too many`, this.offset);
  }
};
var ByteWriter = class {
  #bytes;
  #view;
  length = 0;
  constructor(sizeHint = 256) {
    this.#bytes = new Uint8Array(sizeHint);
    this.#view = new DataView(this.#bytes.buffer);
  }
  #grow(extra) {
    const at = this.length;
    const needed = at + extra;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.length = needed;
    return at;
  }
  u8(value) {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }
  u16le(value) {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }
  u32le(value) {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }
  u48le(value) {
    const at = this.#grow(6);
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setUint16(at + 4, Math.floor(value / 2 ** 32), true);
    return this;
  }
  u64le(value) {
    const at = this.#grow(8);
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    return this;
  }
  u64be(value) {
    const at = this.#grow(8);
    this.#view.setUint32(at, Math.floor(value / 2 ** 32));
    this.#view.setUint32(at + 4, value % 2 ** 32);
    return this;
  }
  raw(bytes) {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  blob(bytes) {
    return this.u32le(bytes.length).raw(bytes);
  }
  text(value) {
    const bytes = utf8(value);
    if (bytes.length > 65535) throw new RangeError(`text of ${bytes.length} bytes exceeds 65535`);
    return this.u16le(bytes.length).raw(bytes);
  }
  /** Overwrites a u32le written earlier (a length known only afterwards). */
  patchU32le(at, value) {
    this.#view.setUint32(at, value, true);
  }
  finish() {
    return this.#bytes.subarray(0, this.length);
  }
};

// protocols/codec/pem.ts
var PEM_CHARS_MAX = 256 * 1024;
var PEM_BLOCKS_MAX = 64;
var LINE_CHARS = 64;
function parsePemBlocks(text) {
  if (text.length > PEM_CHARS_MAX) throw new DecodeError(`PEM of ${text.length} characters exceeds ${PEM_CHARS_MAX}`, 0);
  const blocks = [];
  let label;
  let body = [];
  let offset = 0;
  for (const line of text.split("\n")) {
    const content = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (label === void 0) {
      label = openingLabel(content, offset);
      if (label !== void 0 && blocks.length === PEM_BLOCKS_MAX) throw new DecodeError("too many PEM blocks", offset);
    } else if (content === `-----END ${label}-----`) {
      blocks.push({ label, der: decodeBody(body.join(""), offset) });
      label = void 0;
      body = [];
    } else if (content === "" || content.includes("-")) {
      throw new DecodeError("malformed line in a PEM block", offset);
    } else {
      body.push(content);
    }
    offset += line.length + 1;
  }
  if (label !== void 0) throw new DecodeError(`PEM block ${label} has no end`, text.length);
  if (blocks.length === 0) throw new DecodeError("no PEM block", 0);
  return blocks;
}
function openingLabel(line, offset) {
  if (/^[ \t]*$/.test(line)) return void 0;
  const label = /^-----BEGIN ([A-Z0-9]{1,24}(?: [A-Z0-9]{1,24}){0,4})-----$/.exec(line)?.[1];
  if (label === void 0) throw new DecodeError("text outside PEM blocks", offset);
  return label;
}
function decodeBody(base64, offset) {
  if (base64 === "") throw new DecodeError("empty PEM block", offset);
  try {
    return fromBase64(base64);
  } catch {
    throw new DecodeError("PEM block is not base64", offset);
  }
}
function parsePem(text, label) {
  const [block, second] = parsePemBlocks(text);
  if (second !== void 0) throw new DecodeError("more than one PEM block", 0);
  if (block.label !== label) throw new DecodeError(`PEM block is not a ${label}`, 0);
  return block.der;
}
function formatPem(label, der2) {
  const base64 = toBase64(der2);
  let text = `-----BEGIN ${label}-----
`;
  for (let at = 0; at < base64.length; at += LINE_CHARS) text += base64.slice(at, at + LINE_CHARS) + "\n";
  return `${text}-----END ${label}-----
`;
}

// protocols/errors.ts
var refusal = (status, code, message) => ({ status, code, message });
var errorBody = (r) => ({ error: { code: r.code, message: r.message } });
var InvariantViolation = class extends Error {
  name = "InvariantViolation";
};
function invariant(condition, message) {
  if (!condition) throw new InvariantViolation(message);
}

// protocols/limits.ts
var NATS_PAYLOAD_BYTES_MAX = 1024 * 1024;
var FRAME_BYTES_MAX = 768 * 1024;
var REQUEST_BODY_BYTES_MAX = 512 * 1024;
var REQUEST_PATH_BYTES_MAX = 8 * 1024;
var FRAME_REQUESTS_MAX = 1024;
var ENTRY_BYTES_MAX = 700 * 1024;
var APPEND_BYTES_MAX = 256 * 1024;
var REPLICATION_WINDOW_BYTES_MAX = 16 * 1024 * 1024;
var LOG_TAIL_BYTES_MAX = 64 * 1024 * 1024;
var SESSIONS_MAX = 1e3;
var SESSION_REQUESTS_PENDING_MAX = 8192;
var REPLAY_WINDOW_FRAMES = 1024;
var FRAMES_PER_KEY_MAX = 2 ** 31;
var CHANNEL_QUEUE_BYTES_MAX = 2 * 1024 * 1024;
invariant(FRAME_BYTES_MAX + 4096 <= NATS_PAYLOAD_BYTES_MAX, "a frame must fit one NATS message");
invariant(ENTRY_BYTES_MAX + 4096 <= FRAME_BYTES_MAX, "an entry must fit one frame");
invariant(
  REQUEST_BODY_BYTES_MAX + REQUEST_PATH_BYTES_MAX + 4096 <= ENTRY_BYTES_MAX,
  "a request must fit one frame and one entry"
);

// runtime/bus/defects.ts
function throwLater(error) {
  setImmediate(() => {
    throw error;
  });
}

// runtime/bus/subject-rules.ts
var SUBJECT_LENGTH_MAX = 1024;
var DOT = 46;
var STAR = 42;
var GREATER = 62;
var SPACE = 32;
function isValidFilter(subject) {
  let tokenStart = 0;
  for (let i = 0; i <= subject.length; i++) {
    const c = i === subject.length ? DOT : subject.charCodeAt(i);
    if (c <= SPACE || c === 127) return false;
    if (c !== DOT) continue;
    if (i === tokenStart) return false;
    if (i - tokenStart === 1 && subject.charCodeAt(tokenStart) === GREATER && i !== subject.length) return false;
    tokenStart = i + 1;
  }
  return true;
}
function isValidLiteral(subject) {
  let tokenStart = 0;
  for (let i = 0; i <= subject.length; i++) {
    const c = i === subject.length ? DOT : subject.charCodeAt(i);
    if (c <= SPACE || c === 127) return false;
    if (c !== DOT) continue;
    const length = i - tokenStart;
    if (length === 0) return false;
    const first = subject.charCodeAt(tokenStart);
    if (length === 1 && (first === STAR || first === GREATER)) return false;
    tokenStart = i + 1;
  }
  return true;
}
function assertPublishable(subject) {
  if (subject.length > SUBJECT_LENGTH_MAX || !isValidLiteral(subject))
    throw new RangeError("invalid subject to publish to");
}
function assertSubscribable(subject, queue) {
  if (subject.length > SUBJECT_LENGTH_MAX || !isValidFilter(subject))
    throw new RangeError("invalid subject to subscribe to");
  if (queue !== void 0 && (queue.length > SUBJECT_LENGTH_MAX || !/^[^\s]+$/.test(queue))) {
    throw new RangeError("invalid queue group name");
  }
}

// runtime/bus/sublist.ts
var CACHE_GENERATION_MAX = 2048;
var UNCACHED_PREFIX = "_INBOX.";
var emptyLevel = () => ({
  literals: /* @__PURE__ */ new Map(),
  star: void 0,
  rest: void 0,
  plain: /* @__PURE__ */ new Set(),
  queues: /* @__PURE__ */ new Map()
});
var isUnused = (level) => level.plain.size === 0 && level.queues.size === 0 && level.literals.size === 0 && level.star === void 0 && level.rest === void 0;
var isWildcardFilter = (subject) => subject.includes("*") || subject.includes(">");
var Sublist = class {
  #root = emptyLevel();
  #rotations = /* @__PURE__ */ new Map();
  #young = /* @__PURE__ */ new Map();
  #old = /* @__PURE__ */ new Map();
  #size = 0;
  #version = 0;
  /** Changes with every insertion and removal: as long as it stays the same, so does every match. */
  get version() {
    return this.#version;
  }
  /** Number of subscriptions. */
  get size() {
    return this.#size;
  }
  /** Adds a subscription whose subject passed `isValidFilter`. */
  insert(subscription) {
    let level = this.#root;
    for (const token of subscription.subject.split(".")) level = descendOrCreate(level, token);
    if (subscription.queue === void 0) {
      level.plain.add(subscription);
    } else {
      const members = level.queues.get(subscription.queue);
      if (members === void 0) level.queues.set(subscription.queue, /* @__PURE__ */ new Set([subscription]));
      else members.add(subscription);
      const rotation = this.#rotations.get(subscription.queue);
      if (rotation === void 0) this.#rotations.set(subscription.queue, { next: 0, members: 1 });
      else rotation.members++;
    }
    this.#size++;
    this.#forget(subscription.subject);
  }
  /** Removes a subscription inserted before; false if it was not there. */
  remove(subscription) {
    const tokens = subscription.subject.split(".");
    const path = [this.#root];
    for (const token of tokens) {
      const next = descend(path[path.length - 1], token);
      if (next === void 0) return false;
      path.push(next);
    }
    if (!this.#detach(path[path.length - 1], subscription)) return false;
    for (let i = tokens.length - 1; i >= 0 && isUnused(path[i + 1]); i--) cut(path[i], tokens[i]);
    this.#size--;
    this.#forget(subscription.subject);
    return true;
  }
  /** Everyone a message on `subject` is for. A subject with an empty token is for nobody (as in nats-server). */
  match(subject) {
    if (subject.startsWith(UNCACHED_PREFIX)) return this.#walk(subject);
    const cached = this.#young.get(subject);
    if (cached !== void 0) return cached;
    const found = this.#old.get(subject) ?? this.#walk(subject);
    if (this.#young.size >= CACHE_GENERATION_MAX) {
      this.#old = this.#young;
      this.#young = /* @__PURE__ */ new Map();
    }
    this.#young.set(subject, found);
    return found;
  }
  #detach(level, subscription) {
    if (subscription.queue === void 0) return level.plain.delete(subscription);
    const members = level.queues.get(subscription.queue);
    if (members === void 0 || !members.delete(subscription)) return false;
    if (members.size === 0) level.queues.delete(subscription.queue);
    const rotation = this.#rotations.get(subscription.queue);
    if (rotation !== void 0 && --rotation.members === 0) this.#rotations.delete(subscription.queue);
    return true;
  }
  #forget(filter) {
    this.#version++;
    if (isWildcardFilter(filter)) {
      if (this.#young.size > 0) this.#young = /* @__PURE__ */ new Map();
      if (this.#old.size > 0) this.#old = /* @__PURE__ */ new Map();
    } else {
      this.#young.delete(filter);
      this.#old.delete(filter);
    }
  }
  #walk(subject) {
    const found = { plain: [], queues: void 0 };
    collect(this.#root, subject, 0, found);
    if (found.queues === void 0) return { plain: found.plain, groups: NO_GROUPS };
    const groups = [];
    for (const [name, members] of found.queues) groups.push({ rotation: this.#rotations.get(name), members });
    return { plain: found.plain, groups };
  }
};
function descend(level, token) {
  if (token === "*") return level.star;
  if (token === ">") return level.rest;
  return level.literals.get(token);
}
function descendOrCreate(level, token) {
  if (token === "*") return level.star ??= emptyLevel();
  if (token === ">") return level.rest ??= emptyLevel();
  const known = level.literals.get(token);
  if (known !== void 0) return known;
  const created = emptyLevel();
  level.literals.set(token, created);
  return created;
}
function cut(level, token) {
  if (token === "*") level.star = void 0;
  else if (token === ">") level.rest = void 0;
  else level.literals.delete(token);
}
var NO_GROUPS = [];
function take(level, found) {
  for (const subscription of level.plain) found.plain.push(subscription);
  if (level.queues.size === 0) return;
  const queues = found.queues ??= /* @__PURE__ */ new Map();
  for (const [name, members] of level.queues) {
    const known = queues.get(name);
    if (known === void 0) queues.set(name, [...members]);
    else known.push(...members);
  }
}
function collect(level, subject, from, found) {
  const dot = subject.indexOf(".", from);
  const end2 = dot < 0 ? subject.length : dot;
  if (end2 === from) return;
  const next = level.literals.get(subject.slice(from, end2));
  if (level.rest !== void 0 && isWholeRest(subject, end2)) take(level.rest, found);
  if (dot < 0) {
    if (level.star !== void 0) take(level.star, found);
    if (next !== void 0) take(next, found);
    return;
  }
  if (level.star !== void 0) collect(level.star, subject, end2 + 1, found);
  if (next !== void 0) collect(next, subject, end2 + 1, found);
}
var isWholeRest = (subject, end2) => end2 === subject.length || subject.charCodeAt(subject.length - 1) !== 46 && !subject.includes("..", end2);

// runtime/bus/in-process.ts
function createInProcessBusHub(options = {}) {
  const exchange = new Exchange(options);
  return {
    connect: () => new InProcessBus(exchange, exchange.newConnectionId()),
    interrupt: () => exchange.setOnline(false),
    restore: () => exchange.setOnline(true),
    stats: () => ({ waiting: exchange.waiting, dropped: exchange.dropped })
  };
}
var Exchange = class {
  sublist = new Sublist();
  connections = /* @__PURE__ */ new Set();
  payloadBytesMax;
  isOnline = true;
  dropped = 0;
  #deliveriesMax;
  #onDefect;
  #queue = [];
  #connectionIds = 0;
  constructor(options) {
    this.payloadBytesMax = options.payloadBytesMax ?? NATS_PAYLOAD_BYTES_MAX;
    this.#deliveriesMax = options.deliveriesMax ?? 1e6;
    this.#onDefect = options.onDefect ?? throwLater;
  }
  get waiting() {
    return this.#queue.length;
  }
  newConnectionId() {
    return ++this.#connectionIds;
  }
  publish(from, subject, payload2, reply) {
    const { plain: plain2, groups } = this.sublist.match(subject);
    let isHeard = false;
    const send2 = (listener) => {
      isHeard = true;
      this.#enqueue({ listener, message: { subject, reply, payload: new Uint8Array(payload2), noResponders: false } });
    };
    for (const listener of plain2) send2(listener);
    for (const { members, rotation } of groups) send2(members[rotation.next++ % members.length]);
    if (isHeard || reply === void 0) return;
    const own = this.sublist.match(reply).plain.find((listener) => listener.connection === from);
    if (own === void 0) return;
    const message = { subject: reply, reply: void 0, payload: EMPTY, noResponders: true };
    this.#enqueue({ listener: own, message });
  }
  whenDrained() {
    return new Promise((resolve) => this.#push({ done: resolve }));
  }
  setOnline(isOnline) {
    if (this.isOnline === isOnline) return;
    this.isOnline = isOnline;
    if (!isOnline) this.#queue = this.#queue.filter((task) => "done" in task);
    for (const connection of this.connections) connection.report(isOnline ? "connected" : "disconnected");
  }
  #enqueue(task) {
    if (this.#queue.length >= this.#deliveriesMax) this.dropped++;
    else this.#push(task);
  }
  #push(task) {
    if (this.#queue.push(task) === 1) setImmediate(() => this.#drain());
  }
  /** Delivers what waits now; what is published meanwhile waits for the next turn, so that nobody starves the loop. */
  #drain() {
    const tasks = this.#queue;
    this.#queue = [];
    for (const task of tasks) {
      if ("done" in task) task.done();
      else if (task.listener.isAlive && this.isOnline) this.#deliver(task.listener, task.message);
    }
  }
  #deliver(listener, message) {
    try {
      listener.onMessage(message);
    } catch (error) {
      this.#onDefect(error);
    }
  }
};
var InProcessBus = class {
  payloadBytesMax;
  #exchange;
  #id;
  #listeners = /* @__PURE__ */ new Set();
  #statusListeners = [];
  #inboxes = 0;
  #isClosed = false;
  constructor(exchange, id) {
    this.#exchange = exchange;
    this.#id = id;
    this.payloadBytesMax = exchange.payloadBytesMax;
    exchange.connections.add(this);
  }
  publish(subject, payload2, options) {
    assertPublishable(subject);
    if (options?.reply !== void 0) assertPublishable(options.reply);
    if (payload2.length > this.payloadBytesMax) {
      throw new RangeError(`payload of ${payload2.length} bytes exceeds ${this.payloadBytesMax}`);
    }
    if (!this.#isClosed && this.#exchange.isOnline) this.#exchange.publish(this, subject, payload2, options?.reply);
  }
  subscribe(subject, onMessage, options) {
    if (this.#isClosed) throw new Error("the bus is closed");
    assertSubscribable(subject, options?.queue);
    const listener = { connection: this, subject, queue: options?.queue, onMessage, isAlive: true };
    this.#listeners.add(listener);
    this.#exchange.sublist.insert(listener);
    return { unsubscribe: () => this.#end(listener) };
  }
  newInbox() {
    return `_INBOX.${this.#id}-${++this.#inboxes}`;
  }
  onStatus(listener) {
    this.#statusListeners.push(listener);
  }
  report(status) {
    for (const listener of this.#statusListeners) listener(status);
  }
  flush() {
    if (this.#isClosed) return Promise.reject(new Error("the bus is closed"));
    if (!this.#exchange.isOnline) return Promise.reject(new Error("the bus is disconnected"));
    return this.#exchange.whenDrained();
  }
  close() {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    for (const listener of [...this.#listeners]) this.#end(listener);
    this.#exchange.connections.delete(this);
    this.report("closed");
    return Promise.resolve();
  }
  #end(listener) {
    if (!listener.isAlive) return;
    listener.isAlive = false;
    this.#listeners.delete(listener);
    this.#exchange.sublist.remove(listener);
  }
};

// protocols/crypto/native.ts
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash,
  sign,
  verify
} from "node:crypto";

// protocols/codec/der.ts
var TAG = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  null: 5,
  oid: 6,
  utf8String: 12,
  printableString: 19,
  teletexString: 20,
  ia5String: 22,
  utcTime: 23,
  generalizedTime: 24,
  bmpString: 30,
  sequence: 48,
  set: 49
};
var contextTag = (n) => 160 | n;
var contextPrimitiveTag = (n) => 128 | n;
var OID_BYTES_MAX = 64;
var DerReader = class _DerReader {
  #bytes;
  #end;
  #at;
  constructor(bytes, start = 0, end2 = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end2;
  }
  get done() {
    return this.#at === this.#end;
  }
  /** Tag of the next element, or undefined at the end. */
  peek() {
    return this.#at < this.#end ? this.#bytes[this.#at] : void 0;
  }
  fail(message, offset = this.#at) {
    throw new DecodeError(message, offset);
  }
  #byte() {
    if (this.#at >= this.#end) this.fail("DER element cut short");
    return this.#bytes[this.#at++];
  }
  /** X.690 §8.1.3 and §10.1: definite, in the fewest octets. Three length octets bound an element to 16 MiB. */
  #length() {
    const at = this.#at;
    const first = this.#byte();
    if (first < 128) return first;
    const octets = first & 127;
    if (octets === 0 || octets > 3) this.fail("unsupported DER length", at);
    let length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + this.#byte();
    if (length < 128 || length < 2 ** (8 * (octets - 1))) this.fail("DER length not minimal", at);
    return length;
  }
  /** The next element, which must have `tag` if that is given. */
  element(tag) {
    const offset = this.#at;
    const actual = this.#byte();
    if ((actual & 31) === 31) this.fail("multi-byte DER tag", offset);
    if (tag !== void 0 && actual !== tag) this.fail(`DER tag ${actual} where ${tag} is due`, offset);
    const length = this.#length();
    const start = this.#at;
    if (length > this.#end - start) this.fail("DER element longer than its container", offset);
    this.#at = start + length;
    const content = this.#bytes.subarray(start, this.#at);
    return { tag: actual, content, raw: this.#bytes.subarray(offset, this.#at), offset };
  }
  /** The next element if it has `tag`, else undefined and nothing is consumed. */
  optional(tag) {
    return this.peek() === tag ? this.element(tag) : void 0;
  }
  /** A reader over the content of an element this reader returned; offsets in its errors stay those of the whole buffer. */
  within({ offset, raw, content }) {
    const end2 = offset + raw.length;
    return new _DerReader(this.#bytes, end2 - content.length, end2);
  }
  /** A reader over the content of the next element. */
  inside(tag = TAG.sequence) {
    return this.within(this.element(tag));
  }
  /** Magnitude of a non-negative INTEGER, big-endian without leading zeros (zero is one zero byte). */
  unsigned() {
    const { content, offset } = this.element(TAG.integer);
    const [first, second] = content;
    if (first === void 0) this.fail("empty INTEGER", offset);
    if (first >= 128) this.fail("negative INTEGER", offset);
    if (first !== 0 || second === void 0) return content;
    if (second < 128) this.fail("INTEGER not minimal", offset);
    return content.subarray(1);
  }
  /** A small INTEGER, 0 … 2^24 − 1. */
  smallInteger() {
    const at = this.#at;
    const magnitude = this.unsigned();
    if (magnitude.length > 3) this.fail("INTEGER too large", at);
    return magnitude.reduce((value, byte) => value * 256 + byte, 0);
  }
  boolean() {
    const { content, offset } = this.element(TAG.boolean);
    if (content.length !== 1 || content[0] !== 0 && content[0] !== 255) this.fail("bad BOOLEAN", offset);
    return content[0] === 255;
  }
  /** Dotted form, e.g. `1.2.840.10045.2.1`. */
  oid() {
    const { content, offset } = this.element(TAG.oid);
    if (content.length === 0 || content.length > OID_BYTES_MAX || content.at(-1) >= 128) this.fail("bad OID", offset);
    const arcs = [];
    let arc = 0n;
    let fresh = true;
    for (const byte of content) {
      if (fresh && byte === 128) this.fail("OID not minimal", offset);
      arc = arc << 7n | BigInt(byte & 127);
      fresh = byte < 128;
      if (!fresh) continue;
      arcs.push(arc);
      arc = 0n;
    }
    const head = arcs[0];
    const root = head < 80n ? head / 40n : 2n;
    return [root, head - root * 40n, ...arcs.slice(1)].join(".");
  }
  /** Content of a BIT STRING that holds whole octets. */
  octetAlignedBits() {
    const { content, offset } = this.element(TAG.bitString);
    if (content[0] !== 0) this.fail("BIT STRING not of whole octets", offset);
    return content.subarray(1);
  }
  end() {
    if (!this.done) this.fail(`${this.#end - this.#at} bytes too many`);
  }
};
function tryDecode(decode) {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return void 0;
    throw error;
  }
}
function der(tag, ...contents) {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  if (length >= 2 ** 24) throw new RangeError(`DER element of ${length} bytes exceeds 2^24 - 1`);
  const out = new ByteWriter(length + 5).u8(tag);
  if (length < 128) out.u8(length);
  else if (length < 256) out.u8(129).u8(length);
  else if (length < 65536)
    out.u8(130).u8(length >>> 8).u8(length & 255);
  else
    out.u8(131).u8(length >>> 16).u8(length >>> 8 & 255).u8(length & 255);
  for (const part of contents) out.raw(part);
  return out.finish();
}
var derSequence = (...contents) => der(TAG.sequence, ...contents);
var derSet = (...contents) => der(TAG.set, ...contents);
var derOctets = (content) => der(TAG.octetString, content);
var derBits = (content) => der(TAG.bitString, Uint8Array.of(0), content);
var derUtf8 = (text) => der(TAG.utf8String, utf8(text));
var derTrue = () => der(TAG.boolean, Uint8Array.of(255));
function derUnsigned(magnitude) {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const body = magnitude.subarray(start);
  if (body.length === 0) return der(TAG.integer, Uint8Array.of(0));
  return body[0] >= 128 ? der(TAG.integer, Uint8Array.of(0), body) : der(TAG.integer, body);
}
function derOid(dotted) {
  const arcs = dotted.split(".").map(Number);
  const [root, second, ...rest] = arcs;
  if (root === void 0 || second === void 0 || !arcs.every((arc) => Number.isSafeInteger(arc) && arc >= 0)) {
    throw new RangeError("not a dotted OID");
  }
  const content = [];
  for (const arc of [root * 40 + second, ...rest]) {
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift(128 + left % 128);
    content.push(...digits);
  }
  return der(TAG.oid, Uint8Array.from(content));
}
function ecdsaDerToRaw(signature, scalarBytes) {
  return tryDecode(() => {
    const outer = new DerReader(signature);
    const pair = outer.inside();
    outer.end();
    const raw = new Uint8Array(2 * scalarBytes);
    for (const end2 of [scalarBytes, 2 * scalarBytes]) {
      const magnitude = pair.unsigned();
      if (magnitude.length > scalarBytes) pair.fail("signature integer too large");
      raw.set(magnitude, end2 - magnitude.length);
    }
    pair.end();
    return raw;
  });
}
function ecdsaRawToDer(raw) {
  if (raw.length === 0 || raw.length % 2 !== 0) throw new RangeError("a raw signature has two equal halves");
  const half = raw.length / 2;
  return derSequence(derUnsigned(raw.subarray(0, half)), derUnsigned(raw.subarray(half)));
}

// protocols/crypto/ec-keys.ts
var EC_CURVES = {
  "P-256": { oid: "1.2.840.10045.3.1.7", scalarBytes: 32, hash: "sha256" },
  "P-384": { oid: "1.3.132.0.34", scalarBytes: 48, hash: "sha384" },
  "P-521": { oid: "1.3.132.0.35", scalarBytes: 66, hash: "sha512" }
};
var CURVE_NAMES = ["P-256", "P-384", "P-521"];
var EC_PUBLIC_KEY = derOid("1.2.840.10045.2.1");
var CURVE_OIDS = CURVE_NAMES.map((curve) => derOid(EC_CURVES[curve].oid));
var ONE = Uint8Array.of(1);
var ZERO = Uint8Array.of(0);
var pointBytes = (curve) => 1 + 2 * EC_CURVES[curve].scalarBytes;
var algorithm = (curve) => derSequence(EC_PUBLIC_KEY, derOid(EC_CURVES[curve].oid));
var encodeEcSpki = (curve, point) => derSequence(algorithm(curve), derBits(point));
var SPKI_PREFIXES = CURVE_NAMES.map((curve) => {
  const spki = encodeEcSpki(curve, new Uint8Array(pointBytes(curve)));
  return { curve, length: spki.length, prefix: spki.subarray(0, spki.length - pointBytes(curve)) };
});
function parseEcSpki(spki) {
  for (const { curve, length, prefix } of SPKI_PREFIXES) {
    if (spki.length === length && equalBytes(spki.subarray(0, prefix.length), prefix)) {
      const point = spki.subarray(prefix.length);
      return point[0] === 4 ? { curve, point } : void 0;
    }
  }
  return void 0;
}
function encodeEcPkcs8(curve, scalar, point) {
  const ecPrivateKey = derSequence(derUnsigned(ONE), derOctets(scalar), der(contextTag(1), derBits(point)));
  return derSequence(derUnsigned(ZERO), algorithm(curve), derOctets(ecPrivateKey));
}
function parseEcPkcs8(pkcs8) {
  const outer = new DerReader(pkcs8);
  const info = outer.inside();
  outer.end();
  if (info.smallInteger() !== 0) throw new DecodeError("PKCS#8 version is not 0", 0);
  const algorithmReader = info.inside();
  if (!equalBytes(algorithmReader.element(TAG.oid).raw, EC_PUBLIC_KEY))
    throw new DecodeError("not an EC private key", 0);
  const curveOid = algorithmReader.element(TAG.oid).raw;
  const curve = CURVE_NAMES[CURVE_OIDS.findIndex((oid) => equalBytes(oid, curveOid))];
  if (curve === void 0) throw new DecodeError("unsupported curve", 0);
  algorithmReader.end();
  const keyOctets = info.inside(TAG.octetString);
  const key = keyOctets.inside();
  keyOctets.end();
  if (key.smallInteger() !== 1) throw new DecodeError("EC private key version is not 1", 0);
  const scalar = key.element(TAG.octetString).content;
  if (scalar.length !== EC_CURVES[curve].scalarBytes) throw new DecodeError("EC private key of the wrong size", 0);
  return { curve, scalar };
}
var rawSignatureBytes = (curve) => 2 * EC_CURVES[curve].scalarBytes;

// protocols/crypto/noble.ts
import { gcm } from "@noble/ciphers/aes.js";
import { ecdsa } from "@noble/curves/abstract/weierstrass.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { p256, p384, p521 } from "@noble/curves/nist.js";
import { mapHashToField } from "@noble/curves/abstract/modular.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";

// protocols/crypto/sizes.ts
var SHA256_BYTES = 32;
var AES_KEY_BYTES = 32;
var GCM_IV_BYTES = 12;
var GCM_TAG_BYTES = 16;
var X25519_BYTES = 32;
var HKDF_BYTES_MAX = 255 * SHA256_BYTES;
function requireBytes(bytes, length, what) {
  if (bytes.length !== length) throw new RangeError(`${what} has ${bytes.length} bytes, not ${length}`);
}
function requireHkdfLength(length) {
  if (!Number.isInteger(length) || length < 0 || length > HKDF_BYTES_MAX) {
    throw new RangeError(`HKDF output of ${length} bytes; at most ${HKDF_BYTES_MAX}`);
  }
}
var isDigest = (digest) => digest.length === 32 || digest.length === 48 || digest.length === 64;

// protocols/crypto/noble.ts
var CURVES = { "P-256": p256, "P-384": p384, "P-521": p521 };
var HASHES = { sha256, sha384, sha512 };
var RAW_OF_DIGEST = { prehash: false, lowS: false, format: "compact" };
var signers = /* @__PURE__ */ new Map();
function signerOf(curve, hash2) {
  const name = `${curve} ${hash2}`;
  const known = signers.get(name);
  if (known !== void 0) return known;
  const made = ecdsa(CURVES[curve].Point, HASHES[hash2], { lowS: false });
  signers.set(name, made);
  return made;
}
var NobleEcPublicKey = class {
  curve;
  spki;
  point;
  constructor(curve, spki, point) {
    this.curve = curve;
    this.spki = spki;
    this.point = point;
  }
};
function importEcPublicKey(spki) {
  const own = spki.slice();
  const parsed = parseEcSpki(own);
  if (parsed === void 0 || !CURVES[parsed.curve].utils.isValidPublicKey(parsed.point, false)) return void 0;
  return new NobleEcPublicKey(parsed.curve, own, parsed.point);
}
function verifyEcdsaDigest(key, digest, signature, format) {
  const imported = key instanceof NobleEcPublicKey ? key : importEcPublicKey(key.spki);
  if (imported === void 0 || !isDigest(digest)) return false;
  const raw = format === "raw" ? signature : ecdsaDerToRaw(signature, EC_CURVES[imported.curve].scalarBytes);
  if (raw === void 0 || raw.length !== rawSignatureBytes(imported.curve)) return false;
  return CURVES[imported.curve].verify(raw, digest, imported.point, RAW_OF_DIGEST);
}
function aesGcmSeal(key, iv, aad, plaintext) {
  requireBytes(key, AES_KEY_BYTES, "AES key");
  requireBytes(iv, GCM_IV_BYTES, "GCM IV");
  const sealed = gcm(key, iv, aad).encrypt(plaintext);
  return { ciphertext: sealed.slice(0, plaintext.length), tag: sealed.slice(plaintext.length) };
}
function aesGcmOpen(key, iv, aad, ciphertext, tag) {
  requireBytes(key, AES_KEY_BYTES, "AES key");
  requireBytes(iv, GCM_IV_BYTES, "GCM IV");
  if (tag.length !== GCM_TAG_BYTES) return void 0;
  try {
    return gcm(key, iv, aad).decrypt(concat(ciphertext, tag));
  } catch {
    return void 0;
  }
}
var nobleCrypto = {
  name: "noble",
  sha256(...parts) {
    if (parts.length === 1) return sha256(parts[0]);
    const state = sha256.create();
    for (const part of parts) state.update(part);
    return state.digest();
  },
  hmacSha256: (key, message) => hmac(sha256, key, message),
  hkdfSha256(ikm, salt, info, length) {
    requireHkdfLength(length);
    return hkdf(sha256, ikm, salt, info, length);
  },
  aesGcmSeal,
  aesGcmOpen,
  x25519PublicKey(privateKey) {
    requireBytes(privateKey, X25519_BYTES, "X25519 private key");
    return x25519.getPublicKey(privateKey);
  },
  x25519(privateKey, publicKey) {
    requireBytes(privateKey, X25519_BYTES, "X25519 private key");
    if (publicKey.length !== X25519_BYTES) return void 0;
    try {
      return x25519.getSharedSecret(privateKey, publicKey);
    } catch {
      return void 0;
    }
  },
  importEcPublicKey,
  verifyEcdsa: (key, hash2, message, signature, format) => verifyEcdsaDigest(key, HASHES[hash2](message), signature, format),
  verifyEcdsaDigest,
  signEcdsa(pkcs8, hash2, message, format) {
    const { curve, scalar } = parseEcPkcs8(pkcs8);
    const raw = signerOf(curve, hash2).sign(HASHES[hash2](message), scalar, RAW_OF_DIGEST);
    return format === "raw" ? raw : ecdsaRawToDer(raw);
  }
};
function ecKeyPairFromSeed(curve, seed) {
  const { Point, getPublicKey } = CURVES[curve];
  const wide = hkdf(
    sha256,
    seed,
    void 0,
    utf8(`concordat ${curve} key`),
    Math.ceil(EC_CURVES[curve].scalarBytes * 1.5)
  );
  const scalar = mapHashToField(wide, Point.Fn.ORDER);
  const point = getPublicKey(scalar, false);
  return { pkcs8: encodeEcPkcs8(curve, scalar, point), spki: encodeEcSpki(curve, point) };
}

// protocols/crypto/native.ts
var BLOCK_BYTES = 64;
var IPAD = 54;
var OPAD = 92;
var HEAP_BYTES_MAX = 64;
var scratch = new Uint8Array(4096);
var innerScratch = new Uint8Array(BLOCK_BYTES + scratch.length);
var outerScratch = new Uint8Array(BLOCK_BYTES + SHA256_BYTES);
function bytesOf(digest) {
  const bytes = new Uint8Array(digest.length);
  for (let i = 0; i < digest.length; i++) bytes[i] = digest.charCodeAt(i);
  return bytes;
}
function plain(buffer) {
  if (buffer.length <= HEAP_BYTES_MAX || buffer.buffer.byteLength !== buffer.length) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer);
}
function sha2562(...parts) {
  if (parts.length === 1) return bytesOf(hash("sha256", parts[0], "binary"));
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > scratch.length) {
    const state = createHash("sha256");
    for (const part of parts) state.update(part);
    return bytesOf(state.digest("binary"));
  }
  let at = 0;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  return bytesOf(hash("sha256", scratch.subarray(0, length), "binary"));
}
function hmacSha256(key, message) {
  const short = key.length > BLOCK_BYTES ? sha2562(key) : key;
  innerScratch.fill(IPAD, 0, BLOCK_BYTES);
  outerScratch.fill(OPAD, 0, BLOCK_BYTES);
  for (let i = 0; i < short.length; i++) {
    innerScratch[i] = short[i] ^ IPAD;
    outerScratch[i] = short[i] ^ OPAD;
  }
  let inner;
  if (message.length <= scratch.length) {
    innerScratch.set(message, BLOCK_BYTES);
    inner = hash("sha256", innerScratch.subarray(0, BLOCK_BYTES + message.length), "binary");
  } else {
    inner = createHash("sha256").update(innerScratch.subarray(0, BLOCK_BYTES)).update(message).digest("binary");
  }
  for (let i = 0; i < SHA256_BYTES; i++) outerScratch[BLOCK_BYTES + i] = inner.charCodeAt(i);
  return bytesOf(hash("sha256", outerScratch, "binary"));
}
function hkdfSha256(ikm, salt, info, length) {
  requireHkdfLength(length);
  const pseudorandomKey = hmacSha256(salt, ikm);
  const okm = new Uint8Array(length);
  let block = new Uint8Array(0);
  for (let counter = 1, at = 0; at < length; counter++, at += SHA256_BYTES) {
    block = new Uint8Array(hmacSha256(pseudorandomKey, concat(block, info, Uint8Array.of(counter))));
    okm.set(block.subarray(0, length - at), at);
  }
  return okm;
}
function aesGcmSeal2(key, iv, aad, plaintext) {
  requireBytes(key, AES_KEY_BYTES, "AES key");
  requireBytes(iv, GCM_IV_BYTES, "GCM IV");
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  if (aad.length > 0) cipher.setAAD(aad);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return { ciphertext: plain(ciphertext), tag: plain(cipher.getAuthTag()) };
}
function aesGcmOpen2(key, iv, aad, ciphertext, tag) {
  requireBytes(key, AES_KEY_BYTES, "AES key");
  requireBytes(iv, GCM_IV_BYTES, "GCM IV");
  if (tag.length !== GCM_TAG_BYTES) return void 0;
  const decipher = createDecipheriv("aes-256-gcm", key, iv);
  if (aad.length > 0) decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final();
  } catch {
    return void 0;
  }
  return plain(plaintext);
}
var NativeEcPublicKey = class {
  curve;
  spki;
  #object;
  #portable;
  constructor(curve, spki, object) {
    this.curve = curve;
    this.spki = spki;
    this.#object = object;
  }
  verify(name, message, signature, format) {
    if (format === "der") return verify(name, message, this.#object, signature);
    if (signature.length !== rawSignatureBytes(this.curve)) return false;
    return verify(name, message, { key: this.#object, dsaEncoding: "ieee-p1363" }, signature);
  }
  /** The same key for noble; undefined never happens, as both implementations import the same keys. */
  get portable() {
    return this.#portable ??= nobleCrypto.importEcPublicKey(this.spki);
  }
};
function importEcPublicKey2(spki) {
  const own = spki.slice();
  const parsed = parseEcSpki(own);
  if (parsed === void 0) return void 0;
  try {
    const object = createPublicKey({ key: Buffer.from(own.buffer), format: "der", type: "spki" });
    return new NativeEcPublicKey(parsed.curve, own, object);
  } catch {
    return void 0;
  }
}
function verifyEcdsa(key, name, message, signature, format) {
  const imported = key instanceof NativeEcPublicKey ? key : importEcPublicKey2(key.spki);
  return imported !== void 0 && imported.verify(name, message, signature, format);
}
var privateKeys = /* @__PURE__ */ new WeakMap();
function privateKeyOf(bytes, pkcs8) {
  const known = privateKeys.get(bytes);
  if (known !== void 0) return known;
  const object = createPrivateKey({ key: Buffer.from(pkcs8(bytes)), format: "der", type: "pkcs8" });
  privateKeys.set(bytes, object);
  return object;
}
var X25519_PKCS8 = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 110, 4, 34, 4, 32);
var X25519_SPKI = Uint8Array.of(48, 42, 48, 5, 6, 3, 43, 101, 110, 3, 33, 0);
function x25519PrivateKey(privateKey) {
  requireBytes(privateKey, X25519_BYTES, "X25519 private key");
  return privateKeyOf(privateKey, (raw) => concat(X25519_PKCS8, raw));
}
function x255192(privateKey, publicKey) {
  const own = x25519PrivateKey(privateKey);
  if (publicKey.length !== X25519_BYTES) return void 0;
  const peer = createPublicKey({ key: Buffer.from(concat(X25519_SPKI, publicKey)), format: "der", type: "spki" });
  try {
    return plain(diffieHellman({ privateKey: own, publicKey: peer }));
  } catch {
    return void 0;
  }
}
var nativeCrypto = {
  name: "native",
  sha256: sha2562,
  hmacSha256,
  hkdfSha256,
  aesGcmSeal: aesGcmSeal2,
  aesGcmOpen: aesGcmOpen2,
  x25519PublicKey(privateKey) {
    const spki = createPublicKey(x25519PrivateKey(privateKey)).export({ format: "der", type: "spki" });
    return new Uint8Array(spki.subarray(X25519_SPKI.length));
  },
  x25519: x255192,
  importEcPublicKey: importEcPublicKey2,
  verifyEcdsa,
  // node:crypto cannot verify an EC signature over a digest without hashing it again.
  verifyEcdsaDigest(key, digest, signature, format) {
    const portable = key instanceof NativeEcPublicKey && key.portable || key;
    return nobleCrypto.verifyEcdsaDigest(portable, digest, signature, format);
  },
  signEcdsa(pkcs8, name, message, format) {
    const key = privateKeyOf(pkcs8, (bytes) => {
      parseEcPkcs8(bytes);
      return bytes;
    });
    return plain(sign(name, message, format === "raw" ? { key, dsaEncoding: "ieee-p1363" } : key));
  }
};

// runtime/bus/nats.ts
import { connect, createInbox, errors } from "nats";
import { setTimeout as delay } from "node:timers/promises";
var DEFAULTS = { connectTimeoutMs: 5e3, reconnectTimeWaitMs: 100, closeTimeoutMs: 1e3 };
async function connectNats(options) {
  const settings = { ...DEFAULTS, ...options };
  const deadlineMs = performance.now() + (options.waitOnFirstConnectMs ?? 0);
  while (true) {
    const remainingMs = deadlineMs - performance.now();
    try {
      const connection = await connectOnce(settings, remainingMs);
      return new NatsBus(connection, settings);
    } catch (error) {
      if (error instanceof errors.AuthorizationError) {
        throw new Error("the NATS server refused the credentials", { cause: error });
      }
      if (remainingMs <= settings.reconnectTimeWaitMs) {
        throw new Error(`no NATS server at ${[settings.servers].flat().join(", ")}: ${reasonOf(error)}`, {
          cause: error
        });
      }
    }
    await delay(settings.reconnectTimeWaitMs);
  }
}
var reasonOf = (error) => error instanceof Error && error.message !== "" ? error.message : "failed";
function connectOnce(settings, remainingMs) {
  const { servers, token, name, connectTimeoutMs, reconnectTimeWaitMs } = settings;
  return connect({
    servers: [servers].flat(),
    ...token === void 0 ? {} : { token },
    ...name === void 0 ? {} : { name },
    timeout: Math.max(1, remainingMs > 0 ? Math.min(connectTimeoutMs, remainingMs) : connectTimeoutMs),
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectTimeWaitMs,
    reconnectJitter: reconnectTimeWaitMs,
    noAsyncTraces: true
  });
}
var NatsBus = class {
  #connection;
  #settings;
  #onDefect;
  #statusListeners = [];
  #watching;
  #payloadBytesMax = NATS_PAYLOAD_BYTES_MAX;
  #isConnected = true;
  #isClosed = false;
  constructor(connection, settings) {
    this.#connection = connection;
    this.#settings = settings;
    this.#onDefect = settings.onDefect ?? throwLater;
    this.#watching = this.#watch();
    void connection.closed().then(() => {
      this.#isClosed = true;
      this.#report("closed");
    });
  }
  get payloadBytesMax() {
    return this.#payloadBytesMax = this.#connection.info?.max_payload ?? this.#payloadBytesMax;
  }
  publish(subject, payload2, options) {
    assertPublishable(subject);
    const reply = options?.reply;
    if (reply !== void 0) assertPublishable(reply);
    if (payload2.length > this.payloadBytesMax) {
      throw new RangeError(`payload of ${payload2.length} bytes exceeds ${this.payloadBytesMax}`);
    }
    if (this.#isClosed) return;
    if (reply === void 0) this.#connection.publish(subject, payload2);
    else this.#connection.publish(subject, payload2, { reply });
  }
  subscribe(subject, onMessage, options) {
    if (this.#isClosed) throw new Error("the bus is closed");
    assertSubscribable(subject, options?.queue);
    let isAlive = true;
    const subscription = this.#connection.subscribe(subject, {
      ...options?.queue === void 0 ? {} : { queue: options.queue },
      callback: (error, message) => {
        if (!isAlive) return;
        try {
          if (error !== null) this.#settings.onServerError?.(error);
          else onMessage(ownedMessage(message));
        } catch (defect) {
          this.#onDefect(defect);
        }
      }
    });
    return {
      unsubscribe: () => {
        if (!isAlive) return;
        isAlive = false;
        subscription.unsubscribe();
      }
    };
  }
  newInbox() {
    return createInbox();
  }
  onStatus(listener) {
    this.#statusListeners.push(listener);
  }
  async flush() {
    if (this.#isClosed) throw new Error("the bus is closed");
    await this.#connection.flush();
  }
  async close() {
    if (this.#isClosed) {
      await this.#watching;
      return;
    }
    this.#isClosed = true;
    if (this.#isConnected) await this.#flushWithin(this.#settings.closeTimeoutMs);
    await this.#connection.close();
    discardTransport(this.#connection);
    await this.#watching;
  }
  /** Gives up after `timeoutMs` or when the connection breaks: what is published during an outage is lost anyway. */
  async #flushWithin(timeoutMs) {
    const patience = new AbortController();
    const sent = this.#connection.flush().catch(() => void 0);
    const late = delay(timeoutMs, void 0, { signal: patience.signal }).catch(() => void 0);
    await Promise.race([sent, late]);
    patience.abort();
  }
  async #watch() {
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect") this.#setConnected(false);
      else if (status.type === "reconnect") this.#setConnected(true);
      else if (status.type === "error") this.#settings.onServerError?.(status.error);
    }
  }
  #setConnected(isConnected) {
    this.#isConnected = isConnected;
    this.#report(isConnected ? "connected" : "disconnected");
  }
  #report(status) {
    for (const listener of this.#statusListeners) {
      try {
        listener(status);
      } catch (defect) {
        this.#onDefect(defect);
      }
    }
  }
};
function ownedMessage(message) {
  const headers = message.headers;
  return {
    subject: message.subject,
    reply: message.reply === "" ? void 0 : message.reply,
    payload: new Uint8Array(message.data),
    noResponders: headers !== void 0 && headers.code === 503 && message.data.length === 0
  };
}
function discardTransport(connection) {
  const { protocol } = connection;
  protocol?.transport?.discard?.();
}

// protocols/ids.ts
var view = (n) => n;
var seqno = (n) => n;
var nodeId = (s) => s;
var VIEW_UNKNOWN = view(0);
var SEQNO_UNKNOWN = seqno(0);
var FIRST_VIEW = view(2);
var formatTxId = (id) => `${id.view}.${id.seqno}`;
function parseTxId(text) {
  if (text.length > 40 || !/^[0-9]+\.[0-9]+$/.test(text)) return void 0;
  const dot = text.indexOf(".");
  const v = Number(text.slice(0, dot));
  const s = Number(text.slice(dot + 1));
  if (v < 1 || s < 1 || v >= 2 ** 31 || !Number.isSafeInteger(s)) return void 0;
  return { view: view(v), seqno: seqno(s) };
}

// runtime/client/errors.ts
var ConcordatError = class extends Error {
  name = "ConcordatError";
  code;
  /** HTTP status, when the service gave one. */
  status;
  /** The request may or may not have been executed: ask for its effects before repeating it. */
  outcomeUnknown;
  constructor(code, message, options = {}) {
    super(message, options.cause === void 0 ? void 0 : { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.outcomeUnknown = options.outcomeUnknown ?? false;
  }
};
var asSeenBy = (error, wasSent) => {
  if (error.outcomeUnknown === wasSent) return error;
  const { code, message, status, cause } = error;
  return new ConcordatError(code, message, {
    ...status === void 0 ? {} : { status },
    cause,
    outcomeUnknown: wasSent
  });
};

// runtime/client/commits.ts
var VIEWS_MAX = 16;
var Commits = class {
  #views = /* @__PURE__ */ new Map();
  #waiting = 0;
  get waiting() {
    return this.#waiting;
  }
  /** Calls back when `txId` is committed, invalid, or `deadline` has passed; at once when it is known to be committed. */
  wait(txId, now, deadline, onCommitted) {
    const queue = this.#queue(txId.view);
    if (txId.seqno <= queue.committed) return onCommitted(void 0);
    const waiter = { seqno: txId.seqno, onCommitted, since: now, deadline };
    let at = queue.waiters.length;
    while (at > 0 && queue.waiters[at - 1].seqno > waiter.seqno) at--;
    queue.waiters.splice(at, 0, waiter);
    this.#waiting++;
  }
  /** Everything of this view up to `seqno` is committed. */
  committed({ view: view2, seqno: seqno2 }) {
    const queue = this.#queue(view2);
    if (seqno2 <= queue.committed) return;
    queue.committed = seqno2;
    let settled = 0;
    while (settled < queue.waiters.length && queue.waiters[settled].seqno <= seqno2) settled++;
    for (const { onCommitted } of this.#take(queue, 0, settled)) onCommitted(void 0);
  }
  /** This transaction will never be committed, nor any later one of its view. */
  invalid(txId) {
    const queue = this.#queue(txId.view);
    const first = queue.waiters.findIndex(({ seqno: seqno2 }) => seqno2 >= txId.seqno);
    if (first < 0) return;
    for (const { seqno: seqno2, onCommitted } of this.#take(queue, first, queue.waiters.length - first)) {
      const id = `${txId.view}.${seqno2}`;
      onCommitted(
        new ConcordatError("TransactionInvalid", `transaction ${id} was rolled back and will never be committed`)
      );
    }
  }
  /**
   * Transactions to ask about, at most three of each view: the lowest, the highest and one between, so that any outcome is found soon. Asked are views
   * whose waiters have waited for `quietMs`, or for which a newer view is known to have commits, and not again within `quietMs`.
   */
  toAsk(now, quietMs) {
    const newest = Math.max(0, ...[...this.#views].filter(([, { committed }]) => committed > 0).map(([view2]) => view2));
    const asked = [];
    for (const [view2, queue] of this.#views) {
      const { waiters } = queue;
      const [oldest] = waiters;
      if (oldest === void 0 || now - queue.askedAt < quietMs) continue;
      if (view2 >= newest && now - oldest.since < quietMs) continue;
      queue.askedAt = now;
      const places = /* @__PURE__ */ new Set([0, waiters.length >> 1, waiters.length - 1]);
      for (const place of places) asked.push({ view: view2, seqno: waiters[place].seqno });
    }
    return asked;
  }
  /** Gives up on waiters whose time is over. */
  expire(now) {
    for (const [view2, queue] of this.#views) {
      const late = queue.waiters.filter(({ deadline }) => deadline <= now);
      if (late.length === 0) continue;
      queue.waiters = queue.waiters.filter(({ deadline }) => deadline > now);
      this.#waiting -= late.length;
      for (const { seqno: seqno2, onCommitted } of late) onCommitted(notCommittedInTime({ view: view2, seqno: seqno2 }));
    }
  }
  /** Fails everyone: the client is closed. */
  fail(error) {
    for (const queue of this.#views.values()) {
      for (const { onCommitted } of this.#take(queue, 0, queue.waiters.length)) onCommitted(error);
    }
  }
  #take(queue, from, count) {
    this.#waiting -= count;
    return queue.waiters.splice(from, count);
  }
  #queue(view2) {
    const known = this.#views.get(view2);
    if (known !== void 0) return known;
    if (this.#views.size >= VIEWS_MAX) {
      const idle = [...this.#views].filter(([, { waiters }]) => waiters.length === 0).map(([old]) => old);
      if (idle.length > 0) this.#views.delete(Math.min(...idle));
    }
    const queue = { committed: 0, waiters: [], askedAt: -Infinity };
    this.#views.set(view2, queue);
    return queue;
  }
};
var notCommittedInTime = (txId) => new ConcordatError("RequestTimeout", `transaction ${formatTxId(txId)} was not committed in time`, {
  outcomeUnknown: true
});

// protocols/subjects.ts
var TOKEN = /^[A-Za-z0-9_-]{1,128}$/;
var isToken = (text) => TOKEN.test(text);
var sessionSubject = (service2) => `ccf.${service2}.session`;
var nodeSessionSubject = (service2, node2) => `ccf.${service2}.${node2}.session`;
var sessionFrameSubject = (service2, node2, session2) => `ccf.${service2}.${node2}.session.${session2}`;
var nodeSubjects = (service2, node2) => `ccf.${service2}.${node2}.>`;
function parseNodeSubject(service2, node2, subject) {
  const prefix = `ccf.${service2}.${node2}.`;
  if (!subject.startsWith(prefix)) return void 0;
  const [kind, id, ...rest] = subject.slice(prefix.length).split(".");
  if (rest.length > 0) return void 0;
  if (kind === "session" && id === void 0) return { kind: "hello" };
  if (id === void 0 || !isToken(id)) return void 0;
  if (kind === "session") return { kind: "sessionFrame", session: id };
  if (kind === "channel") return { kind: "channelFrame", peer: id };
  return void 0;
}

// protocols/session/noise-symmetric.ts
var NOISE_KEY_BYTES = 32;
var NOISE_TAG_BYTES = 16;
function noiseNonce(n) {
  const nonce = new Uint8Array(12);
  const view2 = new DataView(nonce.buffer);
  view2.setUint32(4, Math.floor(n / 2 ** 32));
  view2.setUint32(8, n % 2 ** 32);
  return nonce;
}
var NO_KEY = { key: void 0, nonce: 0 };
var cipherWithKey = (key) => ({ key, nonce: 0 });
function encryptWithAd(crypto2, cipher, ad, plaintext) {
  if (cipher.key === void 0) return { cipher, bytes: plaintext.slice() };
  invariant(Number.isSafeInteger(cipher.nonce + 1), "Noise nonce exhausted");
  const sealed = crypto2.aesGcmSeal(cipher.key, noiseNonce(cipher.nonce), ad, plaintext);
  return { cipher: { key: cipher.key, nonce: cipher.nonce + 1 }, bytes: concat(sealed.ciphertext, sealed.tag) };
}
function decryptWithAd(crypto2, cipher, ad, bytes) {
  if (cipher.key === void 0) return { cipher, plaintext: bytes.slice() };
  const split2 = bytes.length - NOISE_TAG_BYTES;
  if (split2 < 0 || !Number.isSafeInteger(cipher.nonce + 1)) return void 0;
  const nonce = noiseNonce(cipher.nonce);
  const plaintext = crypto2.aesGcmOpen(cipher.key, nonce, ad, bytes.subarray(0, split2), bytes.subarray(split2));
  return plaintext && { cipher: { key: cipher.key, nonce: cipher.nonce + 1 }, plaintext };
}
function initializeSymmetric(crypto2, protocolName) {
  const hash2 = new Uint8Array(32);
  if (protocolName.length <= 32) hash2.set(protocolName);
  else hash2.set(crypto2.sha256(protocolName));
  return { chainingKey: hash2, hash: hash2, cipher: NO_KEY };
}
function hkdf2(crypto2, chainingKey, input, outputs) {
  const bytes = crypto2.hkdfSha256(input, chainingKey, EMPTY, 32 * outputs);
  return [bytes.slice(0, 32), bytes.slice(32, 64), bytes.slice(64, 96)];
}
function mixHash(crypto2, state, data) {
  return { ...state, hash: crypto2.sha256(state.hash, data) };
}
function mixKey(crypto2, state, input) {
  const [chainingKey, key] = hkdf2(crypto2, state.chainingKey, input, 2);
  return { chainingKey, hash: state.hash, cipher: cipherWithKey(key) };
}
function mixKeyAndHash(crypto2, state, input) {
  const [chainingKey, toHash, key] = hkdf2(crypto2, state.chainingKey, input, 3);
  return { chainingKey, hash: crypto2.sha256(state.hash, toHash), cipher: cipherWithKey(key) };
}
function encryptAndHash(crypto2, state, plaintext) {
  const { cipher, bytes } = encryptWithAd(crypto2, state.cipher, state.hash, plaintext);
  return { state: { ...state, cipher, hash: crypto2.sha256(state.hash, bytes) }, bytes };
}
function decryptAndHash(crypto2, state, bytes) {
  const opened = decryptWithAd(crypto2, state.cipher, state.hash, bytes);
  if (opened === void 0) return void 0;
  const hash2 = crypto2.sha256(state.hash, bytes);
  return { state: { ...state, cipher: opened.cipher, hash: hash2 }, plaintext: opened.plaintext };
}
function splitKeys(crypto2, state) {
  const [initiatorSends, responderSends] = hkdf2(crypto2, state.chainingKey, EMPTY, 2);
  return [initiatorSends, responderSends];
}

// protocols/session/replay-window.ts
var EMPTY_REPLAY_WINDOW = { floor: 0, ceiling: 0, words: [] };
var wordOf = (counter) => Math.floor(counter / 32);
function judgeCounter(window, counter) {
  if (counter >= window.ceiling) return "fresh";
  if (counter < window.ceiling - REPLAY_WINDOW_FRAMES) return "tooOld";
  if (counter < window.floor) return "replayed";
  const word = window.words[wordOf(counter) - wordOf(window.floor)] ?? 0;
  return word >>> counter % 32 & 1 ? "replayed" : "fresh";
}
function markAccepted(window, counter) {
  if (counter === window.ceiling && counter === window.floor) {
    return { floor: counter + 1, ceiling: counter + 1, words: window.words };
  }
  const ceiling = Math.max(window.ceiling, counter + 1);
  const oldest = Math.max(window.floor, ceiling - REPLAY_WINDOW_FRAMES);
  const base = wordOf(oldest);
  const words = window.words.slice(base - wordOf(window.floor));
  const index = wordOf(counter) - base;
  while (words.length <= index) words.push(0);
  words[index] = (words[index] | 1 << counter % 32) >>> 0;
  return dropAcceptedPrefix(oldest, ceiling, words);
}
function dropAcceptedPrefix(oldest, ceiling, words) {
  const base = wordOf(oldest);
  let floor = oldest;
  while (floor < ceiling) {
    const missing = ~words[wordOf(floor) - base] >>> floor % 32 >>> 0;
    const run = missing === 0 ? 32 : 31 - Math.clz32(missing & -missing);
    const wordEnd = (wordOf(floor) + 1) * 32;
    if (floor + run < wordEnd) {
      floor += run;
      break;
    }
    floor = wordEnd;
  }
  if (floor >= ceiling) return { floor: ceiling, ceiling, words: [] };
  const kept = words.slice(wordOf(floor) - base);
  kept[0] = (kept[0] & -1 << floor % 32) >>> 0;
  return { floor, ceiling, words: kept };
}

// protocols/session/frame.ts
var SEALED_FRAME_TYPE = 129;
var HEADER_BYTES = 9;
var TAG_BYTES = 16;
var FRAME_OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES;
var FRAME_PLAINTEXT_BYTES_MAX = FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES;
var startSending = (key) => ({ key, counter: 0 });
var startReceiving = (key) => ({ key, window: EMPTY_REPLAY_WINDOW });
var isRekeyDue = (state) => state.counter >= FRAMES_PER_KEY_MAX / 2;
var isSealedFrame = (bytes) => bytes[0] === SEALED_FRAME_TYPE;
function sealFrame(crypto2, state, plaintext) {
  const { key, counter } = state;
  if (counter >= FRAMES_PER_KEY_MAX) return { refused: "exhausted" };
  invariant(plaintext.length <= FRAME_PLAINTEXT_BYTES_MAX, "frame content exceeds FRAME_PLAINTEXT_BYTES_MAX");
  const bytes = new Uint8Array(plaintext.length + FRAME_OVERHEAD_BYTES);
  bytes[0] = SEALED_FRAME_TYPE;
  const view2 = new DataView(bytes.buffer);
  view2.setUint32(1, counter % 2 ** 32, true);
  view2.setUint32(5, Math.floor(counter / 2 ** 32), true);
  const sealed = crypto2.aesGcmSeal(key, noiseNonce(counter), bytes.subarray(0, HEADER_BYTES), plaintext);
  bytes.set(sealed.ciphertext, HEADER_BYTES);
  bytes.set(sealed.tag, HEADER_BYTES + plaintext.length);
  return { state: { key, counter: counter + 1 }, bytes };
}
function openFrame(crypto2, state, bytes) {
  if (!isSealedFrame(bytes) || bytes.length < FRAME_OVERHEAD_BYTES || bytes.length > FRAME_BYTES_MAX) {
    return { refused: "malformed" };
  }
  const view2 = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const counter = view2.getUint32(1, true) + view2.getUint32(5, true) * 2 ** 32;
  if (counter >= FRAMES_PER_KEY_MAX) return { refused: "exhausted" };
  const verdict = judgeCounter(state.window, counter);
  if (verdict !== "fresh") return { refused: verdict };
  const tagAt = bytes.length - TAG_BYTES;
  const plaintext = crypto2.aesGcmOpen(
    state.key,
    noiseNonce(counter),
    bytes.subarray(0, HEADER_BYTES),
    bytes.subarray(HEADER_BYTES, tagAt),
    bytes.subarray(tagAt)
  );
  if (plaintext === void 0) return { refused: "notAuthentic" };
  return { state: { key: state.key, window: markAccepted(state.window, counter) }, plaintext };
}

// protocols/session/error-codes.ts
var ERROR_CODES = {
  AuthorizationFailed: true,
  InternalError: true,
  NotImplemented: true,
  InvalidAuthenticationInfo: true,
  InvalidInput: true,
  InvalidQueryParameterValue: true,
  InvalidResourceName: true,
  ResourceNotFound: true,
  UnsupportedHttpVerb: true,
  RequestBodyTooLarge: true,
  PreconditionFailed: true,
  SessionCapExhausted: true,
  FrontendNotOpen: true,
  KeyNotFound: true,
  TransactionNotFound: true,
  TransactionReplicationFailed: true,
  TransactionPendingOrUnknown: true,
  TransactionInvalid: true,
  PrimaryNotFound: true,
  RequestAlreadyForwarded: true,
  SessionConsistencyLost: true,
  TooManyPendingTransactions: true,
  InvalidNodeState: true
};
var isErrorCode = (text) => Object.hasOwn(ERROR_CODES, text);
var toErrorCode = (text) => isErrorCode(text) ? text : "InternalError";

// protocols/session/noise.ts
var NOISE_MESSAGE_BYTES_MAX = 65535;
var noiseKeyPair = (crypto2, privateKey) => ({
  privateKey,
  publicKey: crypto2.x25519PublicKey(privateKey)
});
function initHandshake(crypto2, options) {
  const { pattern, initiator, prologue, s, rs, psks = [] } = options;
  invariant(psks.length === pattern.pskCount, `pattern ${pattern.name} takes ${pattern.pskCount} pre-shared keys`);
  invariant(
    [rs, s?.privateKey, s?.publicKey, ...psks].every((key) => key === void 0 || key.length === NOISE_KEY_BYTES),
    "Noise keys have 32 bytes"
  );
  let symmetric = initializeSymmetric(crypto2, utf8(`Noise_${pattern.name}_25519_AESGCM_SHA256`));
  symmetric = mixHash(crypto2, symmetric, prologue);
  const own = s?.publicKey;
  const known = [
    pattern.initiatorStaticKnown ? { key: initiator ? own : rs } : void 0,
    pattern.responderStaticKnown ? { key: initiator ? rs : own } : void 0
  ];
  for (const preMessage of known) {
    if (preMessage === void 0) continue;
    invariant(preMessage.key !== void 0, `pattern ${pattern.name} presupposes a static key that was not given`);
    symmetric = mixHash(crypto2, symmetric, preMessage.key);
  }
  return { pattern, initiator, messageIndex: 0, symmetric, s, e: void 0, rs, re: void 0, psks };
}
var handshakeFinished = (state) => state.messageIndex === state.pattern.messages.length;
var isTurnToWrite = (state) => !handshakeFinished(state) && state.initiator === (state.messageIndex % 2 === 0);
var isTurnToRead = (state) => !handshakeFinished(state) && !isTurnToWrite(state);
function writeMessage(crypto2, state, payload2, ephemeralPrivateKey) {
  invariant(isTurnToWrite(state), "Noise message written out of turn");
  let next = state;
  const parts = [];
  for (const token of state.pattern.messages[state.messageIndex]) {
    if (token === "e") {
      invariant(
        ephemeralPrivateKey?.length === NOISE_KEY_BYTES,
        "this Noise message needs an ephemeral key of 32 bytes"
      );
      const e = noiseKeyPair(crypto2, ephemeralPrivateKey);
      parts.push(e.publicKey);
      next = { ...next, e, symmetric: mixEphemeral(crypto2, next, e.publicKey) };
    } else if (token === "s") {
      invariant(next.s !== void 0, "this Noise message needs a static key");
      const sealed2 = encryptAndHash(crypto2, next.symmetric, next.s.publicKey);
      parts.push(sealed2.bytes);
      next = { ...next, symmetric: sealed2.state };
    } else {
      const mixed = mixToken(crypto2, next, token);
      if (mixed === void 0) return void 0;
      next = mixed;
    }
  }
  const sealed = encryptAndHash(crypto2, next.symmetric, payload2);
  const message = concat(...parts, sealed.bytes);
  invariant(message.length <= NOISE_MESSAGE_BYTES_MAX, "Noise message exceeds 65535 bytes");
  return { state: { ...next, symmetric: sealed.state, messageIndex: state.messageIndex + 1 }, message };
}
function readMessage(crypto2, state, message) {
  if (!isTurnToRead(state) || message.length > NOISE_MESSAGE_BYTES_MAX) return void 0;
  let next = state;
  let offset = 0;
  for (const token of state.pattern.messages[state.messageIndex]) {
    if (token === "e") {
      const re = message.slice(offset, offset += NOISE_KEY_BYTES);
      if (re.length !== NOISE_KEY_BYTES) return void 0;
      next = { ...next, re, symmetric: mixEphemeral(crypto2, next, re) };
    } else if (token === "s") {
      const length = NOISE_KEY_BYTES + (next.symmetric.cipher.key === void 0 ? 0 : NOISE_TAG_BYTES);
      const sealed = message.subarray(offset, offset += length);
      if (sealed.length !== length) return void 0;
      const opened2 = decryptAndHash(crypto2, next.symmetric, sealed);
      if (opened2 === void 0) return void 0;
      next = { ...next, rs: opened2.plaintext, symmetric: opened2.state };
    } else {
      const mixed = mixToken(crypto2, next, token);
      if (mixed === void 0) return void 0;
      next = mixed;
    }
  }
  const opened = decryptAndHash(crypto2, next.symmetric, message.subarray(offset));
  if (opened === void 0) return void 0;
  return {
    state: { ...next, symmetric: opened.state, messageIndex: state.messageIndex + 1 },
    payload: opened.plaintext
  };
}
function mixEphemeral(crypto2, state, publicKey) {
  const hashed = mixHash(crypto2, state.symmetric, publicKey);
  return state.pattern.pskCount > 0 ? mixKey(crypto2, hashed, publicKey) : hashed;
}
function mixToken(crypto2, state, token) {
  if (token === "psk") {
    const [psk, ...psks] = state.psks;
    invariant(psk !== void 0, "no pre-shared key left");
    return { ...state, psks, symmetric: mixKeyAndHash(crypto2, state.symmetric, psk) };
  }
  const ownIsEphemeral = token[state.initiator ? 0 : 1] === "e";
  const peerIsEphemeral = token[state.initiator ? 1 : 0] === "e";
  const own = ownIsEphemeral ? state.e : state.s;
  const peer = peerIsEphemeral ? state.re : state.rs;
  invariant(own !== void 0 && peer !== void 0, `token ${token} needs keys that are not there`);
  const shared = crypto2.x25519(own.privateKey, peer);
  return shared && { ...state, symmetric: mixKey(crypto2, state.symmetric, shared) };
}
function split(crypto2, state) {
  invariant(handshakeFinished(state), "Noise handshake is not finished");
  const [initiatorSends, responderSends] = splitKeys(crypto2, state.symmetric);
  return {
    sendKey: state.initiator ? initiatorSends : responderSends,
    receiveKey: state.initiator ? responderSends : initiatorSends,
    handshakeHash: state.symmetric.hash,
    remoteStatic: state.rs
  };
}

// protocols/session/text.ts
var SHORT = 64;
function utf8Length(text) {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return utf8(text).length;
  return text.length;
}
function writeUtf8(out, offset, text, length) {
  if (length === text.length) for (let i = 0; i < length; i++) out[offset + i] = text.charCodeAt(i);
  else out.set(utf8(text), offset);
  return offset + length;
}
function readUtf8(bytes, offset, length) {
  if (length > SHORT) return fromUtf8(bytes.subarray(offset, offset + length));
  let text = "";
  for (let i = offset; i < offset + length; i++) {
    const byte = bytes[i];
    if (byte > 127) return fromUtf8(bytes.subarray(offset, offset + length));
    text += String.fromCharCode(byte);
  }
  return text;
}
function cutUtf8(text, max) {
  const bytes = utf8(text);
  if (bytes.length <= max) return bytes;
  let end2 = max;
  while ((bytes[end2] & 192) === 128) end2--;
  return bytes.subarray(0, end2);
}

// protocols/session/hello.ts
var HELLO_VERSION = 1;
var REPLY_SUBJECT_CHARS_MAX = 256;
var REFUSAL_MESSAGE_BYTES_MAX = 512;
var NODE_ID_BYTES = 32;
var HANDSHAKE_ID_BYTES = 16;
var KINDS = {
  clientHello: 1,
  nodeAnswer: 2,
  sessionRefusal: 3,
  clientFinish: 4,
  channelHello: 17,
  channelAnswer: 18,
  channelFinish: 19,
  channelRefusal: 20
};
function isReplySubject(subject) {
  if (subject.length > REPLY_SUBJECT_CHARS_MAX) return false;
  const tokens = subject.split(".");
  return tokens.length >= 2 && tokens.length <= 16 && tokens[0] !== "ccf" && tokens.every(isToken);
}
function encodeHello(hello) {
  const writer = new ByteWriter(128).u8(KINDS[hello.type]).u8(HELLO_VERSION);
  switch (hello.type) {
    case "clientHello":
      invariant(isReplySubject(hello.replySubject), "not a subject for replies");
      return writer.text(hello.replySubject).blob(hello.noise).finish();
    case "nodeAnswer":
      invariant(isToken(hello.session), "a session is named by one token");
      writer.text(hello.session).raw(hexId(hello.nodeId, NODE_ID_BYTES));
      writer.u8(hello.primaryHint === void 0 ? 0 : 1);
      if (hello.primaryHint !== void 0) writer.raw(hexId(hello.primaryHint, NODE_ID_BYTES));
      return writer.blob(hello.noise).finish();
    case "sessionRefusal":
      return writer.text(hello.code).blob(cutUtf8(hello.message, REFUSAL_MESSAGE_BYTES_MAX)).finish();
    case "clientFinish":
      return writer.blob(hello.noise).finish();
    case "channelRefusal":
      writer.raw(hexId(hello.handshake, HANDSHAKE_ID_BYTES)).text(hello.code);
      return writer.blob(cutUtf8(hello.message, REFUSAL_MESSAGE_BYTES_MAX)).finish();
    default:
      return writer.raw(hexId(hello.handshake, HANDSHAKE_ID_BYTES)).blob(hello.noise).finish();
  }
}
function hexId(text, length) {
  invariant(text.length === 2 * length && /^[0-9a-f]+$/.test(text), `an id is ${2 * length} lower-case hex digits`);
  return fromHex(text);
}
function decodeHello(bytes) {
  const kind = Object.keys(KINDS).find((type) => KINDS[type] === bytes[0]);
  const version = bytes[1];
  if (kind === void 0 || version === void 0) return void 0;
  if (version !== HELLO_VERSION) return { type: "unsupportedVersion", version };
  try {
    const reader = new ByteReader(bytes, 2);
    const hello = readHello(reader, kind);
    reader.end();
    return hello;
  } catch (error) {
    if (error instanceof DecodeError) return void 0;
    throw error;
  }
}
function readHello(reader, type) {
  switch (type) {
    case "clientHello": {
      const replySubject = reader.text();
      if (!isReplySubject(replySubject)) throw new DecodeError("not a subject for replies", reader.offset);
      return { type, replySubject, noise: readNoise(reader) };
    }
    case "nodeAnswer": {
      const session2 = reader.text();
      if (!isToken(session2)) throw new DecodeError("not a session token", reader.offset);
      const answering = readNodeId(reader);
      const hinted = reader.u8();
      if (hinted > 1) throw new DecodeError("not a flag", reader.offset);
      const primaryHint = hinted === 1 ? readNodeId(reader) : void 0;
      return { type, session: session2, nodeId: answering, primaryHint, noise: readNoise(reader) };
    }
    case "sessionRefusal":
      return { type, ...readRefusal(reader) };
    case "clientFinish":
      return { type, noise: readNoise(reader) };
    case "channelRefusal":
      return { type, handshake: toHex(reader.take(HANDSHAKE_ID_BYTES)), ...readRefusal(reader) };
    default:
      return { type, handshake: toHex(reader.take(HANDSHAKE_ID_BYTES)), noise: readNoise(reader) };
  }
}
var readNoise = (reader) => reader.blob(NOISE_MESSAGE_BYTES_MAX);
var readNodeId = (reader) => nodeId(toHex(reader.take(NODE_ID_BYTES)));
function readRefusal(reader) {
  const code = toErrorCode(reader.text());
  return { code, message: fromUtf8(reader.blob(REFUSAL_MESSAGE_BYTES_MAX)) };
}
function sessionPrologue(service2, serviceIdentity2) {
  return new ByteWriter().text("concordat-session/1").text(service2).blob(serviceIdentity2).finish();
}

// protocols/crypto/x509-name.ts
var ATTRIBUTES = [
  ["CN", "2.5.4.3"],
  ["C", "2.5.4.6"],
  ["L", "2.5.4.7"],
  ["ST", "2.5.4.8"],
  ["STREET", "2.5.4.9"],
  ["O", "2.5.4.10"],
  ["OU", "2.5.4.11"],
  ["DC", "0.9.2342.19200300.100.1.25"],
  ["UID", "0.9.2342.19200300.100.1.1"]
];
var NAMES = new Map(ATTRIBUTES.map(([name, oid]) => [oid, name]));
var OIDS = new Map(ATTRIBUTES);
var NAME_PARTS_MAX = 32;
var ALT_NAMES_MAX = 64;
var DNS_TAG = contextPrimitiveTag(2);
var IP_TAG = contextPrimitiveTag(7);
function stringOf({ tag, content }) {
  switch (tag) {
    case TAG.utf8String:
      return tryDecode(() => fromUtf8(content));
    case TAG.printableString:
    case TAG.ia5String:
      return content.every((byte) => byte < 128) ? toByteString(content) : void 0;
    case TAG.teletexString:
      return toByteString(content);
    default:
      return void 0;
  }
}
function escapeValue(value) {
  return value.replace(/[\\"+,;<>]/g, "\\$&").replace(/[\0-\x1f\x7f]/g, (c) => "\\" + c.charCodeAt(0).toString(16).padStart(2, "0")).replace(/^[ #]/, "\\$&").replace(/ $/, "\\ ");
}
function readAttribute(set) {
  const pair = set.inside();
  const oid = pair.oid();
  const value = pair.element();
  pair.end();
  const text = stringOf(value);
  return `${NAMES.get(oid) ?? oid}=${text === void 0 ? "#" + toHex(value.raw) : escapeValue(text)}`;
}
function readName(reader) {
  const element = reader.element(TAG.sequence);
  const sequence = reader.within(element);
  const parts = [];
  while (!sequence.done) {
    if (parts.length === NAME_PARTS_MAX) sequence.fail("name of too many parts");
    const set = sequence.inside(TAG.set);
    const attributes = [readAttribute(set)];
    while (!set.done && attributes.length < NAME_PARTS_MAX) attributes.push(readAttribute(set));
    set.end();
    parts.unshift(attributes.join("+"));
  }
  return { text: parts.join(","), der: element.raw };
}
function readValue(text, start) {
  let value = "";
  let at = start;
  for (; at < text.length && text[at] !== ","; at++) {
    const character = text[at];
    if (character !== "\\") {
      if ('+;<>"'.includes(character) || character === "#" && at === start)
        throw new DecodeError("unsupported name", at);
      value += character;
      continue;
    }
    const hex = /^[0-7][0-9a-fA-F]/.exec(text.slice(at + 1, at + 3))?.[0];
    const special = text[at + 1];
    if (hex === void 0 && (special === void 0 || !'\\"+,;<>#= '.includes(special))) {
      throw new DecodeError("bad escape in a name", at);
    }
    value += hex === void 0 ? special : String.fromCharCode(Number.parseInt(hex, 16));
    at += hex === void 0 ? 1 : 2;
  }
  return { value, end: at };
}
function encodeName(text) {
  const parts = [];
  for (let at = 0; at < text.length || parts.length > 0; ) {
    if (parts.length === NAME_PARTS_MAX) throw new DecodeError("name of too many parts", at);
    const equals = text.indexOf("=", at);
    const name = text.slice(at, Math.max(equals, at)).trim();
    const oid = OIDS.get(name);
    if (oid === void 0) throw new DecodeError("unsupported name", at);
    const { value, end: end2 } = readValue(text, equals + 1);
    if (value === "") throw new DecodeError("empty value in a name", end2);
    parts.unshift(derSet(derSequence(derOid(oid), encodeAttributeValue(name, value))));
    if (end2 === text.length) break;
    at = end2 + 1;
  }
  return derSequence(...parts);
}
function encodeAttributeValue(name, value) {
  if (name !== "C" && name !== "DC") return derUtf8(value);
  if (!/^[A-Za-z0-9 '()+,./:=?-]+$/.test(value)) throw new DecodeError(`unsupported characters in ${name}`, 0);
  return der(name === "C" ? TAG.printableString : TAG.ia5String, utf8(value));
}
function ipText(address) {
  if (address.length === 4) return address.join(".");
  if (address.length !== 16) return void 0;
  const groups = Array.from({ length: 8 }, (_, i) => (address[2 * i] * 256 + address[2 * i + 1]).toString(16));
  return groups.join(":");
}
function ipBytes(text) {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const octets = text.split(".").map(Number);
    return octets.every((octet) => octet < 256) ? Uint8Array.from(octets) : void 0;
  }
  const [head, tail, extra] = text.split("::");
  if (extra !== void 0 || !/^[0-9a-fA-F:]+$/.test(text)) return void 0;
  const groupsOf = (part) => part === void 0 || part === "" ? [] : part.split(":");
  const before = groupsOf(head);
  const after = groupsOf(tail);
  const missing = 8 - before.length - after.length;
  if (tail === void 0 ? missing !== 0 : missing < 1) return void 0;
  const groups = [...before, ...Array(missing).fill("0"), ...after];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return void 0;
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >>> 8, Number.parseInt(group, 16) & 255])
  );
}
function readAltNames(reader) {
  const names = [];
  const sequence = reader.inside();
  for (let count = 0; !sequence.done; count++) {
    if (count === ALT_NAMES_MAX) sequence.fail("too many alternative names");
    const { tag, content } = sequence.element();
    if (tag === DNS_TAG && content.every((byte) => byte > 32 && byte < 127))
      names.push(`dNSName:${toByteString(content)}`);
    const address = tag === IP_TAG ? ipText(content) : void 0;
    if (address !== void 0) names.push(`iPAddress:${address}`);
  }
  return names;
}
function encodeAltNames(names) {
  if (names.length > ALT_NAMES_MAX) throw new DecodeError("too many alternative names", 0);
  const encoded = names.map((name) => {
    const dns = /^dNSName:([\x21-\x7e]{1,253})$/.exec(name)?.[1];
    if (dns !== void 0) return der(DNS_TAG, fromByteString(dns));
    const address = name.startsWith("iPAddress:") ? ipBytes(name.slice("iPAddress:".length)) : void 0;
    if (address === void 0) throw new DecodeError("unsupported alternative name", 0);
    return der(IP_TAG, address);
  });
  return derSequence(...encoded);
}

// protocols/crypto/x509-time.ts
var DAY_SECONDS = 86400;
var isLeap = (year) => year % 4 === 0 && year % 100 !== 0 || year % 400 === 0;
var MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
var daysIn = (year, month) => month === 2 && isLeap(year) ? 29 : MONTH_DAYS[month - 1] ?? 0;
function daysToYear(year) {
  const y = year - 1;
  return 365 * (year - 1970) + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) - 477;
}
function readTime(reader) {
  const { tag, content, offset } = reader.element();
  const text = toByteString(content);
  if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) return reader.fail("not a time", offset);
  const digits = tag === TAG.utcTime ? 12 : 14;
  if (text.length !== digits + 1 || !/^[0-9]+Z$/.test(text)) return reader.fail("malformed time", offset);
  const full = tag === TAG.generalizedTime ? text : (text < "50" ? "20" : "19") + text;
  const part = (from, to) => Number(full.slice(from, to));
  const [year, month, day, hour, minute, second] = [
    part(0, 4),
    part(4, 6),
    part(6, 8),
    part(8, 10),
    part(10, 12),
    part(12, 14)
  ];
  if (day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59) {
    return reader.fail("no such time", offset);
  }
  let days = daysToYear(year) + day - 1;
  for (let m = 1; m < month; m++) days += daysIn(year, m);
  return days * DAY_SECONDS + hour * 3600 + minute * 60 + second;
}
function encodeTime(unixSeconds) {
  let days = Math.floor(unixSeconds / DAY_SECONDS);
  const seconds = unixSeconds - days * DAY_SECONDS;
  let year = 1970 + Math.floor(days / 365.2425);
  while (daysToYear(year) > days) year--;
  while (daysToYear(year + 1) <= days) year++;
  if (!Number.isInteger(unixSeconds) || year < 1950 || year > 9999)
    throw new RangeError("time cannot stand in a certificate");
  days -= daysToYear(year);
  let month = 1;
  while (days >= daysIn(year, month)) days -= daysIn(year, month++);
  const fields = [month, days + 1, Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const text = String(year) + fields.map((field) => String(field).padStart(2, "0")).join("") + "Z";
  return year < 2050 ? der(TAG.utcTime, fromByteString(text.slice(2))) : der(TAG.generalizedTime, fromByteString(text));
}

// protocols/crypto/certificate.ts
var CERTIFICATE_BYTES_MAX = 32 * 1024;
var SERIAL_BYTES_MAX = 20;
var EXTENSIONS_MAX = 32;
var VERSION_3 = 2;
var KEY_CERT_SIGN = 4;
var OID = {
  ecdsaSha256: "1.2.840.10045.4.3.2",
  ecdsaSha384: "1.2.840.10045.4.3.3",
  ecdsaSha512: "1.2.840.10045.4.3.4",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  extensionRequest: "1.2.840.113549.1.9.14"
};
var SIGNATURE_HASHES = /* @__PURE__ */ new Map([
  [OID.ecdsaSha256, "sha256"],
  [OID.ecdsaSha384, "sha384"],
  [OID.ecdsaSha512, "sha512"]
]);
var UNDERSTOOD = /* @__PURE__ */ new Set([
  OID.keyUsage,
  OID.subjectAltName,
  OID.basicConstraints,
  OID.extendedKeyUsage
]);
function readSignatureHash(reader) {
  const element = reader.element(TAG.sequence);
  const algorithm2 = reader.within(element);
  const hash2 = SIGNATURE_HASHES.get(algorithm2.oid());
  return { hash: algorithm2.done ? hash2 : void 0, raw: element.raw };
}
var noExtensions = () => ({
  isCa: false,
  pathLength: void 0,
  maySignCertificates: true,
  subjectAltNames: [],
  hasUnknownCriticalExtension: false
});
function readExtensionValue(oid, value, found) {
  if (oid === OID.basicConstraints) {
    const constraints = value.inside();
    found.isCa = constraints.peek() === TAG.boolean && constraints.boolean();
    found.pathLength = constraints.peek() === TAG.integer ? constraints.smallInteger() : void 0;
    constraints.end();
  } else if (oid === OID.keyUsage) {
    const { content, offset } = value.element(TAG.bitString);
    const [unused, bits] = content;
    if (unused === void 0 || unused > 7 || bits === void 0) value.fail("bad key usage", offset);
    found.maySignCertificates = (bits & KEY_CERT_SIGN) !== 0;
  } else if (oid === OID.subjectAltName) {
    found.subjectAltNames = readAltNames(value);
  } else {
    return;
  }
  value.end();
}
function readExtensions(reader) {
  const found = noExtensions();
  const seen = /* @__PURE__ */ new Set();
  const list = reader.inside();
  while (!list.done) {
    const extension2 = list.inside();
    const oid = extension2.oid();
    if (seen.has(oid) || seen.size === EXTENSIONS_MAX) list.fail("repeated or too many extensions");
    seen.add(oid);
    const critical = extension2.peek() === TAG.boolean && extension2.boolean();
    const value = extension2.inside(TAG.octetString);
    extension2.end();
    if (critical && !UNDERSTOOD.has(oid)) found.hasUnknownCriticalExtension = true;
    readExtensionValue(oid, value, found);
  }
  return found;
}
function readVersion(tbs) {
  if (tbs.peek() !== contextTag(0)) return 0;
  const explicit = tbs.inside(contextTag(0));
  const version = explicit.smallInteger();
  explicit.end();
  if (version > VERSION_3) tbs.fail("unknown certificate version");
  return version;
}
function readExplicitExtensions(tbs, version) {
  if (version !== VERSION_3) tbs.fail("extensions in a certificate before version 3");
  const explicit = tbs.inside(contextTag(3));
  const extensions = readExtensions(explicit);
  explicit.end();
  return extensions;
}
function readTbs(tbs) {
  const version = readVersion(tbs);
  const serial = tbs.unsigned();
  if (serial.length > SERIAL_BYTES_MAX) tbs.fail("serial number too long");
  const algorithm2 = readSignatureHash(tbs);
  const issuer = readName(tbs);
  const validity = tbs.inside();
  const notBeforeSeconds = readTime(validity);
  const notAfterSeconds = readTime(validity);
  validity.end();
  const subject = readName(tbs);
  const spki = tbs.element(TAG.sequence).raw;
  tbs.optional(contextPrimitiveTag(1));
  tbs.optional(contextPrimitiveTag(2));
  const extensions = tbs.done ? noExtensions() : readExplicitExtensions(tbs, version);
  tbs.end();
  return { serial: toHex(serial), algorithm: algorithm2, issuer, subject, spki, notBeforeSeconds, notAfterSeconds, extensions };
}
function readSigned(der2) {
  if (der2.length > CERTIFICATE_BYTES_MAX)
    throw new DecodeError(`${der2.length} bytes exceed ${CERTIFICATE_BYTES_MAX}`, 0);
  const outer = new DerReader(der2);
  const signed = outer.inside();
  outer.end();
  const body = signed.element(TAG.sequence);
  const fields = signed.within(body);
  const algorithm2 = readSignatureHash(signed);
  const signature = signed.octetAlignedBits();
  signed.end();
  return { body: body.raw, fields, algorithm: algorithm2, signature };
}
function parseCertificate(input) {
  const der2 = typeof input === "string" ? parsePem(input, "CERTIFICATE") : input.slice();
  const { body, fields, algorithm: algorithm2, signature } = readSigned(der2);
  const { extensions, algorithm: inner, issuer, subject, ...rest } = readTbs(fields);
  if (!equalBytes(inner.raw, algorithm2.raw)) throw new DecodeError("signature algorithms differ", 0);
  return {
    der: der2,
    tbs: body,
    ...rest,
    ...extensions,
    subject: subject.text,
    subjectDer: subject.der,
    issuer: issuer.text,
    issuerDer: issuer.der,
    signatureHash: algorithm2.hash,
    signature
  };
}
var tryParseCertificate = (input) => tryDecode(() => parseCertificate(input));
function parseEcCertificate(crypto2, input) {
  const certificate = parseCertificate(input);
  const publicKey = crypto2.importEcPublicKey(certificate.spki);
  if (publicKey === void 0) throw new DecodeError("the key of the certificate is not a supported EC key", 0);
  return { ...certificate, publicKey };
}
function verifySignedBy(crypto2, certificate, key) {
  const { signatureHash, tbs, signature } = certificate;
  return signatureHash !== void 0 && crypto2.verifyEcdsa(key, signatureHash, tbs, signature, "der");
}
function verifyIssuedBy(crypto2, certificate, issuer) {
  if (!equalBytes(certificate.issuerDer, issuer.subjectDer) || certificate.hasUnknownCriticalExtension) return false;
  const selfSigned = equalBytes(certificate.der, issuer.der);
  if (!selfSigned) {
    if (!issuer.isCa || !issuer.maySignCertificates || issuer.hasUnknownCriticalExtension) return false;
    if (certificate.isCa && issuer.pathLength === 0) return false;
  }
  const key = crypto2.importEcPublicKey(issuer.spki);
  return key !== void 0 && verifySignedBy(crypto2, certificate, key);
}
var isValidAt = (certificate, nowSeconds) => certificate.notBeforeSeconds <= nowSeconds && nowSeconds <= certificate.notAfterSeconds;
var certificateId = (crypto2, certificate) => toHex(crypto2.sha256(certificate instanceof Uint8Array ? certificate : certificate.der));
var nodeIdOf = (crypto2, node2) => nodeId(toHex(crypto2.sha256(node2 instanceof Uint8Array ? node2 : node2.spki)));

// protocols/session/identity-payload.ts
var VERSION = 1;
var ROLES = ["node", "client"];
var IDENTITY_CERTIFICATE_BYTES_MAX = 8192;
var SIGNATURE_BYTES_MAX = 160;
var STATIC_KEY_BYTES = 32;
var serviceIdentity = (crypto2, serviceCertificate) => crypto2.sha256(serviceCertificate.spki);
function staticKeyStatement(role, serviceIdentity2, staticPublicKey) {
  invariant(staticPublicKey.length === STATIC_KEY_BYTES, "a static key has 32 bytes");
  const writer = new ByteWriter().text("concordat-noise-static/1").text(role);
  return writer.blob(serviceIdentity2).raw(staticPublicKey).finish();
}
var HASHES2 = { "P-256": "sha256", "P-384": "sha384", "P-521": "sha512" };
var identityHash = (curve) => HASHES2[curve];
function encodeIdentityPayload(payload2) {
  const { certificate, signature } = payload2.proof ?? { certificate: EMPTY, signature: EMPTY };
  invariant(payload2.proof === void 0 ? payload2.role === "client" : certificate.length > 0, "a node has an identity");
  invariant(certificate.length <= IDENTITY_CERTIFICATE_BYTES_MAX, "certificate too long");
  invariant(signature.length <= SIGNATURE_BYTES_MAX, "signature too long");
  const writer = new ByteWriter(64 + certificate.length + signature.length).u8(VERSION);
  return writer.u8(ROLES.indexOf(payload2.role)).blob(certificate).blob(signature).finish();
}
function decodeIdentityPayload(bytes) {
  try {
    const reader = new ByteReader(bytes);
    const version = reader.u8();
    const role = ROLES[reader.u8()];
    const certificate = reader.blob(IDENTITY_CERTIFICATE_BYTES_MAX);
    const signature = reader.blob(SIGNATURE_BYTES_MAX);
    reader.end();
    if (version !== VERSION || role === void 0) return void 0;
    if (certificate.length > 0) return { role, proof: { certificate, signature } };
    return role === "client" && signature.length === 0 ? { role, proof: void 0 } : void 0;
  } catch (error) {
    if (error instanceof DecodeError) return void 0;
    throw error;
  }
}
function verifyIdentityPayload(crypto2, options) {
  const { remoteStatic, serviceCertificate, expect } = options;
  const payload2 = decodeIdentityPayload(options.payload);
  if (payload2 === void 0 || remoteStatic.length !== STATIC_KEY_BYTES) return { refused: "malformed" };
  if (payload2.role !== expect) return { refused: "wrongRole" };
  if (payload2.proof === void 0) return { kind: "anonymous" };
  const certificate = tryParseCertificate(payload2.proof.certificate);
  const key = certificate && crypto2.importEcPublicKey(certificate.spki);
  if (certificate === void 0 || key === void 0) return { refused: "badCertificate" };
  if (options.nowSeconds !== void 0 && !isValidAt(certificate, options.nowSeconds)) return { refused: "notValidNow" };
  const statement = staticKeyStatement(expect, serviceIdentity(crypto2, serviceCertificate), remoteStatic);
  if (!crypto2.verifyEcdsa(key, identityHash(key.curve), statement, payload2.proof.signature, "der")) {
    return { refused: "badSignature" };
  }
  if (expect === "client") return { kind: "certificate", id: certificateId(crypto2, certificate) };
  const id = nodeIdOf(crypto2, certificate);
  if (options.trustedNodeIds?.has(id) || verifyIssuedBy(crypto2, certificate, serviceCertificate)) {
    return { kind: "node", nodeId: id };
  }
  return { refused: "notEndorsed" };
}

// protocols/session/little-endian.ts
function putU16(out, at, value) {
  out[at] = value;
  out[at + 1] = value >>> 8;
}
function putU32(out, at, value) {
  out[at] = value;
  out[at + 1] = value >>> 8;
  out[at + 2] = value >>> 16;
  out[at + 3] = value >>> 24;
}
function putU64(out, at, value) {
  putU32(out, at, value % 2 ** 32 >>> 0);
  putU32(out, at + 4, Math.floor(value / 2 ** 32));
}
var getU16 = (bytes, at) => bytes[at] | bytes[at + 1] << 8;
var getU32 = (bytes, at) => (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> 0;
var getU64 = (bytes, at) => getU32(bytes, at) + getU32(bytes, at + 4) * 2 ** 32;

// protocols/session/messages.ts
var CLIENT_BATCH = 1;
var NODE_BATCH = 2;
var ENVELOPE_BYTES = 4;
var REQUEST_FIXED_BYTES = 11;
var RESPONSE_FIXED_BYTES = 11;
var TX_ID_BYTES = 12;
var FRAME_CONTROLS_MAX = 64;
var CLOSED_MESSAGE_BYTES_MAX = 512;
var RESPONSE_BODY_BYTES_MAX = FRAME_PLAINTEXT_BYTES_MAX - ENVELOPE_BYTES - RESPONSE_FIXED_BYTES - TX_ID_BYTES;
var VERBS = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"];
var verbCode = (verb) => VERBS.indexOf(verb);
var CONTENT_TYPES = ["none", "json", "bytes"];
var FLAG_TX_ID = 4;
var CONTROL_PING = 1;
var CONTROL_CLOSE = 2;
var NOTICE_PONG = 1;
var NOTICE_COMMIT = 2;
var NOTICE_CLOSED = 3;
function checkRequest(request) {
  if (verbCode(request.verb) < 0) return refusal(405, "UnsupportedHttpVerb", "the verb is not supported");
  if (request.path.length > REQUEST_PATH_BYTES_MAX || utf8Length(request.path) > REQUEST_PATH_BYTES_MAX) {
    return refusal(400, "InvalidResourceName", `the path exceeds ${REQUEST_PATH_BYTES_MAX} bytes`);
  }
  return checkBodySize(request.body.length);
}
function checkBodySize(length) {
  if (length <= REQUEST_BODY_BYTES_MAX) return void 0;
  return refusal(413, "RequestBodyTooLarge", `the request body exceeds ${REQUEST_BODY_BYTES_MAX} bytes`);
}

// protocols/session/messages-decode.ts
var decodeClientBatch = (bytes) => undefinedIfMalformed(() => {
  const cursor = new Cursor(bytes);
  const count = openEnvelope(cursor, CLIENT_BATCH);
  const requests = [];
  const refused = [];
  for (let i = 0; i < count; i++) {
    const request = readRequest(cursor);
    const problem = needsCheck(request) ? checkRequest(request) : void 0;
    if (problem === void 0) requests.push(request);
    else refused.push({ id: request.id, refusal: problem });
  }
  return { requests, refused, controls: readControls(cursor, readControl) };
});
var decodeNodeBatch = (bytes) => undefinedIfMalformed(() => {
  const cursor = new Cursor(bytes);
  const count = openEnvelope(cursor, NODE_BATCH);
  const responses = [];
  for (let i = 0; i < count; i++) responses.push(readResponse(cursor));
  return { responses, notices: readControls(cursor, readNotice) };
});
function undefinedIfMalformed(decode) {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return void 0;
    throw error;
  }
}
var Cursor = class {
  bytes;
  at = 0;
  #path = "";
  #pathAt = 0;
  #pathLength = 0;
  constructor(bytes) {
    this.bytes = bytes;
  }
  /** Moves over `length` bytes and returns where they begin. */
  claim(length) {
    const at = this.at;
    if (length > this.bytes.length - at) throw new DecodeError(`needs ${length} bytes`, at);
    this.at = at + length;
    return at;
  }
  u8() {
    return this.bytes[this.claim(1)];
  }
  /** A text that often equals the one before it: then the same string, which costs less to make and to look up. */
  path(length) {
    const at = this.claim(length);
    if (length !== this.#pathLength || !this.#sameAsPath(at)) {
      this.#path = readUtf8(this.bytes, at, length);
      this.#pathAt = at;
      this.#pathLength = length;
    }
    return this.#path;
  }
  #sameAsPath(at) {
    for (let i = 0; i < this.#pathLength; i++) if (this.bytes[at + i] !== this.bytes[this.#pathAt + i]) return false;
    return true;
  }
  view(length) {
    if (length === 0) return EMPTY;
    const at = this.claim(length);
    return this.bytes.subarray(at, at + length);
  }
};
function openEnvelope(cursor, type) {
  const at = cursor.claim(3);
  if (cursor.bytes[at] !== type) throw new DecodeError("batch of another type", at);
  const count = getU16(cursor.bytes, at + 1);
  if (count > FRAME_REQUESTS_MAX) throw new DecodeError(`${count} items exceed ${FRAME_REQUESTS_MAX}`, at + 1);
  return count;
}
function readControls(cursor, read) {
  const count = cursor.u8();
  if (count > FRAME_CONTROLS_MAX) throw new DecodeError("too many controls", cursor.at - 1);
  const controls = [];
  for (let i = 0; i < count; i++) controls.push(read(cursor));
  if (cursor.at !== cursor.bytes.length) throw new DecodeError("bytes left over", cursor.at);
  return controls;
}
function readRequest(cursor) {
  const { bytes } = cursor;
  const at = cursor.claim(REQUEST_FIXED_BYTES);
  const verb = VERBS[bytes[at + 4]];
  if (verb === void 0) throw new DecodeError("unknown verb", at + 4);
  const path = cursor.path(getU16(bytes, at + 5));
  return { id: getU32(bytes, at), verb, path, body: cursor.view(getU32(bytes, at + 7)) };
}
var needsCheck = (request) => request.body.length > REQUEST_BODY_BYTES_MAX || request.path.length * 3 > REQUEST_PATH_BYTES_MAX;
function readResponse(cursor) {
  const { bytes } = cursor;
  const at = cursor.claim(7);
  const flags = bytes[at + 6];
  const contentType = CONTENT_TYPES[flags & 3];
  if (contentType === void 0 || flags > 7) throw new DecodeError("unknown flags", at + 6);
  const txId = flags & FLAG_TX_ID ? readTxId(cursor) : void 0;
  const body = cursor.view(getU32(bytes, cursor.claim(4)));
  return { id: getU32(bytes, at), status: getU16(bytes, at + 4), contentType, body, txId };
}
function readTxId(cursor) {
  const at = cursor.claim(TX_ID_BYTES);
  const s = getU64(cursor.bytes, at + 4);
  if (!Number.isSafeInteger(s)) throw new DecodeError("seqno too large", at + 4);
  return { view: view(getU32(cursor.bytes, at)), seqno: seqno(s) };
}
function readControl(cursor) {
  const type = cursor.u8();
  if (type === CONTROL_CLOSE) return { type: "close" };
  if (type === CONTROL_PING) return { type: "ping", id: getU32(cursor.bytes, cursor.claim(4)) };
  throw new DecodeError("unknown control", cursor.at - 1);
}
function readNotice(cursor) {
  const type = cursor.u8();
  if (type === NOTICE_PONG) return { type: "pong", id: getU32(cursor.bytes, cursor.claim(4)) };
  if (type === NOTICE_COMMIT) return { type: "commitNotice", ...readTxId(cursor) };
  if (type !== NOTICE_CLOSED) throw new DecodeError("unknown notice", cursor.at - 1);
  const codeLength = cursor.u8();
  const code = readUtf8(cursor.bytes, cursor.claim(codeLength), codeLength);
  const messageLength = getU16(cursor.bytes, cursor.claim(2));
  if (messageLength > CLOSED_MESSAGE_BYTES_MAX) throw new DecodeError("message too long", cursor.at);
  return {
    type: "closed",
    code: toErrorCode(code),
    message: readUtf8(cursor.bytes, cursor.claim(messageLength), messageLength)
  };
}

// protocols/session/messages-encode.ts
function encodeClientBatch(batch) {
  return pack(CLIENT_BATCH, batch.requests, sizeOfRequest, writeRequest, batch.controls.map(encodeControl));
}
function encodeNodeBatch(batch) {
  const tooLarge = batch.responses.some((response) => response.body.length > RESPONSE_BODY_BYTES_MAX);
  const responses = tooLarge ? batch.responses.map(replaceIfTooLarge) : batch.responses;
  return pack(NODE_BATCH, responses, sizeOfResponse, writeResponse, batch.notices.map(encodeNotice));
}
function replaceIfTooLarge(response) {
  if (response.body.length <= RESPONSE_BODY_BYTES_MAX) return response;
  const problem = refusal(500, "InternalError", `the response body exceeds ${RESPONSE_BODY_BYTES_MAX} bytes`);
  return { ...response, status: problem.status, contentType: "json", body: utf8(JSON.stringify(errorBody(problem))) };
}
function pack(type, items, sizeOf, write, controls) {
  const sizes = items.map(sizeOf);
  const frames = [];
  let item = 0;
  let control = 0;
  while (item < items.length || control < controls.length) {
    const firstItem = item;
    let size = ENVELOPE_BYTES;
    while (item < items.length && item - firstItem < FRAME_REQUESTS_MAX) {
      if (size + sizes[item] > FRAME_PLAINTEXT_BYTES_MAX) break;
      size += sizes[item++];
    }
    invariant(item > firstItem || item === items.length, "an item must fit one frame");
    const firstControl = control;
    while (item === items.length && control < controls.length && control - firstControl < FRAME_CONTROLS_MAX) {
      if (size + controls[control].length > FRAME_PLAINTEXT_BYTES_MAX) break;
      size += controls[control++].length;
    }
    const out = new Uint8Array(size);
    out[0] = type;
    putU16(out, 1, item - firstItem);
    let at = 3;
    for (let i = firstItem; i < item; i++) {
      write(out, at, items[i], sizes[i]);
      at += sizes[i];
    }
    out[at++] = control - firstControl;
    for (let i = firstControl; i < control; i++) {
      out.set(controls[i], at);
      at += controls[i].length;
    }
    frames.push(out);
  }
  return frames;
}
var sizeOfRequest = (request) => REQUEST_FIXED_BYTES + utf8Length(request.path) + request.body.length;
function writeRequest(out, at, request, size) {
  const { body, path } = request;
  const pathLength = size - REQUEST_FIXED_BYTES - body.length;
  const verb = verbCode(request.verb);
  invariant(
    verb >= 0 && pathLength <= REQUEST_PATH_BYTES_MAX && body.length <= REQUEST_BODY_BYTES_MAX,
    "a request must pass checkRequest before it is encoded"
  );
  putU32(out, at, request.id);
  out[at + 4] = verb;
  putU16(out, at + 5, pathLength);
  putU32(out, at + 7, body.length);
  const bodyAt = writeUtf8(out, at + REQUEST_FIXED_BYTES, path, pathLength);
  out.set(body, bodyAt);
}
var sizeOfResponse = (response) => RESPONSE_FIXED_BYTES + (response.txId === void 0 ? 0 : TX_ID_BYTES) + response.body.length;
function writeResponse(out, start, response) {
  const { body, txId } = response;
  let at = start;
  putU32(out, at, response.id);
  putU16(out, at + 4, response.status);
  out[at + 6] = CONTENT_TYPES.indexOf(response.contentType) | (txId === void 0 ? 0 : FLAG_TX_ID);
  at += 7;
  if (txId !== void 0) {
    putU32(out, at, txId.view);
    putU64(out, at + 4, txId.seqno);
    at += TX_ID_BYTES;
  }
  putU32(out, at, body.length);
  out.set(body, at + 4);
}
function encodeControl(control) {
  if (control.type === "close") return Uint8Array.of(CONTROL_CLOSE);
  const out = Uint8Array.of(CONTROL_PING, 0, 0, 0, 0);
  putU32(out, 1, control.id);
  return out;
}
function encodeNotice(notice) {
  if (notice.type === "pong") {
    const out2 = Uint8Array.of(NOTICE_PONG, 0, 0, 0, 0);
    putU32(out2, 1, notice.id);
    return out2;
  }
  if (notice.type === "commitNotice") {
    const out2 = new Uint8Array(1 + TX_ID_BYTES);
    out2[0] = NOTICE_COMMIT;
    putU32(out2, 1, notice.view);
    putU64(out2, 5, notice.seqno);
    return out2;
  }
  const message = cutUtf8(notice.message, CLOSED_MESSAGE_BYTES_MAX);
  const out = new Uint8Array(4 + notice.code.length + message.length);
  out[0] = NOTICE_CLOSED;
  out[1] = notice.code.length;
  const at = writeUtf8(out, 2, notice.code, notice.code.length);
  putU16(out, at, message.length);
  out.set(message, at + 2);
  return out;
}

// protocols/session/noise-patterns.ts
var MESSAGES = {
  N: "e es",
  K: "e es ss",
  X: "e es s ss",
  NN: "e / e ee",
  NK: "e es / e ee",
  NX: "e / e ee s es",
  XN: "e / e ee / s se",
  XK: "e es / e ee / s se",
  XX: "e / e ee s es / s se",
  KN: "e / e ee se",
  KK: "e es ss / e ee se",
  KX: "e / e ee se s es",
  IN: "e s / e ee se",
  IK: "e es s ss / e ee se",
  IX: "e s / e ee se s es",
  NK1: "e / e ee es",
  NX1: "e / e ee s / es",
  X1N: "e / e ee / s / se",
  X1K: "e es / e ee / s / se",
  XK1: "e / e ee es / s se",
  X1K1: "e / e ee es / s / se",
  X1X: "e / e ee s es / s / se",
  XX1: "e / e ee s / es s se",
  X1X1: "e / e ee s / es s / se",
  K1N: "e / e ee / se",
  K1K: "e es / e ee / se",
  KK1: "e / e ee se es",
  K1K1: "e / e ee es / se",
  K1X: "e / e ee s es / se",
  KX1: "e / e ee se s / es",
  K1X1: "e / e ee s / se es",
  I1N: "e s / e ee / se",
  I1K: "e es s / e ee / se",
  IK1: "e s / e ee se es",
  I1K1: "e s / e ee es / se",
  I1X: "e s / e ee s es / se",
  IX1: "e s / e ee se s / es",
  I1X1: "e s / e ee s / se es"
};
var TOKENS = /* @__PURE__ */ new Set(["e", "s", "ee", "es", "se", "ss"]);
var isToken2 = (word) => TOKENS.has(word);
function noisePattern(name) {
  const match = /^([A-Z1]+)((?:psk[0-9](?:\+psk[0-9])*)?)$/.exec(name);
  const base = match?.[1];
  if (base === void 0 || !Object.hasOwn(MESSAGES, base)) return void 0;
  const messages = MESSAGES[base].split(" / ").map((line) => line.split(" ").filter(isToken2));
  const modifiers = match?.[2] ? match[2].split("+").map((modifier) => Number(modifier.slice(3))) : [];
  for (const place of modifiers) {
    if (place > messages.length) return void 0;
    if (place === 0) messages[0].unshift("psk");
    else messages[place - 1].push("psk");
  }
  const letters = base.replaceAll("1", "");
  const responder = letters.length === 1 ? "K" : letters[1];
  return {
    name,
    initiatorStaticKnown: letters[0] === "K",
    responderStaticKnown: responder === "K",
    messages,
    pskCount: modifiers.length
  };
}
var PATTERN_XX = noisePattern("XX");

// runtime/client/platform.ts
var randomBytes = (count) => globalThis.crypto.getRandomValues(new Uint8Array(count));
function letProcessEnd(timer) {
  if (typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function")
    timer.unref();
}

// runtime/client/session.ts
var EPHEMERAL_KEY_BYTES = 32;
var FIRST_PING = 0;
function openSession(options, timeoutMs) {
  return new Promise((resolve, reject) => {
    const session2 = new Session(options, (opening) => {
      clearTimeout(timer);
      if (opening instanceof ConcordatError) reject(opening);
      else resolve(opening === "open" ? { session: session2 } : { redirectTo: opening });
    });
    const timer = setTimeout(
      () => session2.abandon(unreachable(`no answer to the handshake within ${timeoutMs} ms`)),
      timeoutMs
    );
  });
}
var unreachable = (message) => new ConcordatError("NodeUnreachable", message);
var Session = class {
  nodeId;
  #options;
  #inbox;
  #subscription;
  #settle;
  #phase = "awaitingAnswer";
  #handshake;
  #subject = "";
  #sending;
  #receiving;
  #heardAt = 0;
  /** When the ping was sent that is not answered yet. */
  #pingedAt;
  #pings = FIRST_PING;
  constructor(options, settle) {
    this.#options = options;
    this.#settle = settle;
    const { bus, crypto: crypto2, credentials, service: service2 } = options;
    this.#inbox = bus.newInbox();
    this.#subscription = bus.subscribe(this.#inbox, (message) => this.#onMessage(message));
    const fresh = initHandshake(crypto2, {
      pattern: PATTERN_XX,
      initiator: true,
      prologue: sessionPrologue(service2, serviceIdentity(crypto2, credentials.serviceCertificate)),
      s: credentials.staticKey
    });
    const written = writeMessage(crypto2, fresh, EMPTY, randomBytes(EPHEMERAL_KEY_BYTES));
    this.#handshake = written.state;
    const hello = encodeHello({ type: "clientHello", replySubject: this.#inbox, noise: written.message });
    bus.publish(options.subject, hello, { reply: this.#inbox });
  }
  /** Seals and publishes a batch: one frame, more only if it does not fit. */
  send(batch) {
    const { bus, crypto: crypto2 } = this.#options;
    for (const content of encodeClientBatch(batch)) {
      if (this.#sending === void 0) return;
      const sealed = sealFrame(crypto2, this.#sending, content);
      if ("refused" in sealed) return this.abandon(unreachable("the key of the session is spent"));
      this.#sending = sealed.state;
      bus.publish(this.#subject, sealed.bytes, { reply: this.#inbox });
    }
    if (this.#sending !== void 0 && isRekeyDue(this.#sending))
      this.abandon(unreachable("the key of the session has served its time"));
  }
  ping(now) {
    this.#pingedAt = now;
    this.send({ requests: [], controls: [{ type: "ping", id: ++this.#pings }] });
  }
  /** Asks the node for a sign of life after `quietMs` without one; gives it up when none comes in as long again. */
  watch(now, quietMs) {
    if (this.#phase !== "open") return;
    if (this.#pingedAt !== void 0) {
      if (now - this.#pingedAt >= quietMs)
        this.abandon(unreachable(`the node has been silent for ${Math.round(now - this.#heardAt)} ms`));
    } else if (now - this.#heardAt >= quietMs) {
      this.ping(now);
    }
  }
  /** Ends the session and tells the node. */
  close() {
    if (this.#phase === "open") this.send({ requests: [], controls: [{ type: "close" }] });
    this.#end();
  }
  /** Ends the session and tells whoever uses it why. */
  abandon(error) {
    const phase = this.#phase;
    if (phase === "over") return;
    this.#end();
    if (phase === "open") this.#options.onLost(error);
    else this.#settle(error);
  }
  #end() {
    this.#phase = "over";
    this.#handshake = void 0;
    this.#sending = void 0;
    this.#receiving = void 0;
    this.#subscription.unsubscribe();
  }
  #onMessage({ payload: payload2, noResponders }) {
    if (this.#phase === "over") return;
    if (noResponders) {
      const whom = this.nodeId === void 0 ? "no node of the service listens" : "the node is gone";
      return this.abandon(unreachable(whom));
    }
    if (isSealedFrame(payload2)) return this.#onFrame(payload2);
    const hello = decodeHello(payload2);
    if (hello?.type === "nodeAnswer" && this.#phase === "awaitingAnswer") this.#onAnswer(hello);
    else if (hello?.type === "sessionRefusal") this.#onRefusal(hello);
  }
  /** A node that does not know an open session says so in clear: forged, it costs no more than a dropped frame would. */
  #onRefusal({ code, message }) {
    const isLost = code === "ResourceNotFound";
    if (this.#phase === "open" && !isLost) return;
    this.abandon(
      isLost ? unreachable("the node has forgotten the session") : new ConcordatError(code, `the session was refused: ${message}`)
    );
  }
  #onAnswer(answer2) {
    const { crypto: crypto2, credentials, service: service2, redirectTo } = this.#options;
    const { primaryHint } = answer2;
    if (primaryHint !== void 0 && primaryHint !== answer2.nodeId && redirectTo(primaryHint)) {
      this.#end();
      return this.#settle(primaryHint);
    }
    const read = this.#handshake && readMessage(crypto2, this.#handshake, answer2.noise);
    if (read?.state.rs === void 0) {
      return this.abandon(
        notTrusted("it does not hold the service identity of the certificate given as trust, or is another service")
      );
    }
    const identity2 = verifyIdentityPayload(crypto2, {
      payload: read.payload,
      remoteStatic: read.state.rs,
      serviceCertificate: credentials.serviceCertificate,
      expect: "node"
    });
    if ("refused" in identity2) return this.abandon(notTrusted(`its proof of identity is refused: ${identity2.refused}`));
    if (identity2.kind !== "node" || identity2.nodeId !== answer2.nodeId)
      return this.abandon(notTrusted("it proves another identity than it claims"));
    const written = writeMessage(crypto2, read.state, credentials.identityPayload);
    if (written === void 0) return this.abandon(notTrusted("its key is unusable"));
    const { sendKey, receiveKey } = split(crypto2, written.state);
    this.#handshake = void 0;
    this.#sending = startSending(sendKey);
    this.#receiving = startReceiving(receiveKey);
    this.nodeId = answer2.nodeId;
    this.#subject = sessionFrameSubject(service2, answer2.nodeId, answer2.session);
    this.#phase = "awaitingPong";
    this.#options.bus.publish(this.#subject, encodeHello({ type: "clientFinish", noise: written.message }), {
      reply: this.#inbox
    });
    this.send({ requests: [], controls: [{ type: "ping", id: FIRST_PING }] });
  }
  #onFrame(bytes) {
    if (this.#receiving === void 0) return;
    const opened = openFrame(this.#options.crypto, this.#receiving, bytes);
    if ("refused" in opened) return;
    this.#receiving = opened.state;
    this.#heardAt = performance.now();
    this.#pingedAt = void 0;
    const batch = decodeNodeBatch(opened.plaintext);
    if (batch === void 0)
      return this.abandon(new ConcordatError("InternalError", "the node sent a frame that cannot be read"));
    if (this.#phase === "awaitingPong") {
      this.#phase = "open";
      this.#settle("open");
    }
    this.#options.onBatch(batch);
    for (const notice of batch.notices) {
      if (notice.type === "closed") return this.abandon(new ConcordatError(notice.code, notice.message));
    }
  }
};
var notTrusted = (message) => new ConcordatError("ServiceNotTrusted", `the answering node is not trusted: ${message}`);

// runtime/client/connector.ts
var RETRY_MIN_MS = 20;
var RETRY_MAX_MS = 500;
var FINAL = /* @__PURE__ */ new Set([
  "ServiceNotTrusted",
  "InvalidAuthenticationInfo",
  "NotImplemented",
  "InvalidInput"
]);
var isFinal = (error) => FINAL.has(error.code);
var Connector = class {
  #options;
  #isOnline = true;
  constructor(options) {
    this.#options = options;
    options.bus.onStatus((status) => this.#isOnline = status === "connected");
  }
  /** A session, or the last failure: as soon as one is final, else when it is not wanted any more. Every failure is told. */
  async open(isWanted, onFailure) {
    let failure = new ConcordatError("ConnectionFailed", "there is no connection to NATS");
    for (let delayMs = RETRY_MIN_MS; isWanted(); delayMs = Math.min(RETRY_MAX_MS, 2 * delayMs)) {
      if (this.#isOnline) {
        const session2 = await this.#attempt();
        if (!(session2 instanceof ConcordatError) || isFinal(session2)) return session2;
        failure = session2;
      }
      onFailure(failure);
      await delay2(delayMs);
    }
    return failure;
  }
  async #attempt() {
    const { settings } = this.#options;
    const { service: service2, prefer } = settings;
    try {
      const first = await this.#openAt(sessionSubject(service2), prefer === "primary");
      if ("session" in first) return first.session;
      const primary = await this.#openAtPrimary(first.redirectTo);
      return primary ?? sessionOf(await this.#openAt(sessionSubject(service2), false));
    } catch (error) {
      if (error instanceof ConcordatError) return error;
      return new ConcordatError("ConnectionFailed", error instanceof Error ? error.message : String(error), {
        cause: error
      });
    }
  }
  /** Undefined when the node that was named is not there. */
  async #openAtPrimary(primary) {
    try {
      return sessionOf(await this.#openAt(nodeSessionSubject(this.#options.settings.service, primary), false));
    } catch (error) {
      if (error instanceof ConcordatError && !isFinal(error)) return void 0;
      throw error;
    }
  }
  #openAt(subject, mayRedirect) {
    const { bus, crypto: crypto2, credentials, settings, onBatch, onLost } = this.#options;
    const { service: service2, handshakeTimeoutMs } = settings;
    const options = { bus, crypto: crypto2, credentials, service: service2, subject, onBatch, onLost, redirectTo: () => mayRedirect };
    return openSession(options, handshakeTimeoutMs);
  }
};
function sessionOf(opening) {
  if ("session" in opening) return opening.session;
  throw new ConcordatError("NodeUnreachable", "the node redirects although it must not");
}
var delay2 = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// runtime/client/identity.ts
var STATIC_KEY_BYTES2 = 32;
function makeCredentials(crypto2, trust, identity2) {
  const serviceCertificate = readCertificate(trust, "trust: the service certificate");
  const staticKey = noiseKeyPair(crypto2, randomBytes(STATIC_KEY_BYTES2));
  const proof2 = identity2 && proofOf(crypto2, identity2, serviceCertificate, staticKey);
  return { serviceCertificate, staticKey, identityPayload: encodeIdentityPayload({ role: "client", proof: proof2 }) };
}
function proofOf(crypto2, identity2, service2, staticKey) {
  const certificate = readCertificate(identity2.certificatePem, "identity: the certificate");
  const key = crypto2.importEcPublicKey(certificate.spki);
  if (key === void 0)
    throw new ConcordatError("InvalidInput", "identity: the key of the certificate is not on a supported curve");
  const statement = staticKeyStatement("client", serviceIdentity(crypto2, service2), staticKey.publicKey);
  const hash2 = identityHash(key.curve);
  let signature;
  try {
    signature = crypto2.signEcdsa(identity2.privateKeyPkcs8, hash2, statement, "der");
  } catch (cause) {
    throw new ConcordatError("InvalidInput", "identity: the private key cannot be read as PKCS#8", { cause });
  }
  if (!crypto2.verifyEcdsa(key, hash2, statement, signature, "der")) {
    throw new ConcordatError("InvalidInput", "identity: the private key does not belong to the certificate");
  }
  return { certificate: certificate.der, signature };
}
function readCertificate(pem, what) {
  try {
    return parseCertificate(pem);
  } catch (cause) {
    if (cause instanceof DecodeError)
      throw new ConcordatError("InvalidInput", `${what} cannot be read: ${cause.message}`, { cause });
    throw cause;
  }
}

// runtime/client/options.ts
var settingsOf = (options) => ({
  service: options.service,
  prefer: options.prefer ?? "primary",
  requestTimeoutMs: options.requestTimeoutMs ?? 1e4,
  connectTimeoutMs: options.connectTimeoutMs ?? 5e3,
  handshakeTimeoutMs: options.handshakeTimeoutMs ?? 2e3,
  livenessMs: options.livenessMs ?? 1e3,
  keepAliveMs: options.keepAliveMs ?? 2e4,
  retry: options.retry ?? "safe"
});

// runtime/client/requests.ts
var UNSENT_MAX = 16 * SESSION_REQUESTS_PENDING_MAX;
var Requests = class {
  #unsent = [];
  #sent = /* @__PURE__ */ new Map();
  #nextId = 1;
  get unsent() {
    return this.#unsent.length;
  }
  get sent() {
    return this.#sent.size;
  }
  nextId() {
    const id = this.#nextId;
    this.#nextId = id + 1 >>> 0;
    return id;
  }
  add(request) {
    if (this.#unsent.length < UNSENT_MAX) this.#unsent.push(request);
    else request.onOutcome(new ConcordatError("TooManyPendingTransactions", `${UNSENT_MAX} requests wait to be sent`));
  }
  /** What may be sent now; counts as sent from here on. */
  takeUnsent() {
    const room = SESSION_REQUESTS_PENDING_MAX - this.#sent.size;
    if (room <= 0) return [];
    const taken = this.#unsent.length <= room ? this.#unsent : this.#unsent.slice(0, room);
    this.#unsent = taken === this.#unsent ? [] : this.#unsent.slice(room);
    for (const request of taken) this.#sent.set(request.id, request);
    return taken;
  }
  /** Ends a request by its response; a response nobody waits for (any more) is dropped. */
  answer(response) {
    const request = this.#sent.get(response.id);
    if (request === void 0) return;
    this.#sent.delete(response.id);
    request.onOutcome(response);
  }
  /** Takes a request that was answered back, to be sent again. */
  sendAgain(request) {
    this.#unsent.unshift(request);
  }
  /** The session of all sent requests is gone: those that may are sent again, before the others. */
  lose(error) {
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    this.#unsent = [...sent.filter(({ retryable }) => retryable), ...this.#unsent];
    for (const request of sent) if (!request.retryable) request.onOutcome(asSeenBy(error, true));
  }
  /** Fails requests whose time is over: unsent ones for the reason `whyUnsent`. */
  expire(now, whyUnsent) {
    this.#fail(
      ({ deadline }) => deadline <= now,
      whyUnsent ?? new ConcordatError("RequestTimeout", "the request could not be sent in time"),
      new ConcordatError("RequestTimeout", "no response came in time", { outcomeUnknown: true })
    );
  }
  abort(id) {
    const error = new ConcordatError("RequestAborted", "the request was aborted");
    this.#fail((request) => request.id === id, error, asSeenBy(error, true));
  }
  failUnsent(error) {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const request of unsent) request.onOutcome(asSeenBy(error, false));
  }
  failAll(error) {
    this.#fail(() => true, asSeenBy(error, false), asSeenBy(error, true));
  }
  #fail(isMeant, unsent, sent) {
    const failed = [];
    if (this.#unsent.some(isMeant)) {
      for (const request of this.#unsent) if (isMeant(request)) failed.push([request, unsent]);
      this.#unsent = this.#unsent.filter((request) => !isMeant(request));
    }
    for (const request of this.#sent.values()) if (isMeant(request)) failed.push([request, sent]);
    for (const [request] of failed) this.#sent.delete(request.id);
    for (const [request, error] of failed) request.onOutcome(error);
  }
};

// runtime/client/response.ts
var Response = class {
  /** HTTP status. */
  status;
  /** Position in the ledger; undefined when the request did not touch the store. */
  transaction;
  #response;
  #actions;
  constructor(response, actions2) {
    this.status = response.status;
    this.transaction = response.txId;
    this.#response = response;
    this.#actions = actions2;
  }
  /** True for status 2xx. */
  get ok() {
    return this.status >= 200 && this.status < 300;
  }
  /** Transaction id as `<view>.<seqno>`. */
  get txId() {
    return this.transaction && formatTxId(this.transaction);
  }
  /** The parsed JSON value; bytes for a body that is not JSON; undefined for none. Decoded at every access. */
  get body() {
    const { contentType, body } = this.#response;
    if (contentType === "none") return void 0;
    if (contentType === "bytes") return body.slice();
    try {
      return JSON.parse(fromUtf8(body));
    } catch (cause) {
      if (!(cause instanceof SyntaxError || cause instanceof DecodeError)) throw cause;
      throw new ConcordatError("InternalError", "the body of the response is not JSON", { status: this.status, cause });
    }
  }
  /** Code and message of a refusal, undefined for any other response. */
  get error() {
    if (this.status < 400 || this.#response.contentType !== "json") return void 0;
    const { error } = this.body ?? {};
    return error === void 0 ? void 0 : { code: String(error.code), message: String(error.message) };
  }
  /**
   * Resolves when the transaction is committed: it will stay, whatever happens. Rejects with TransactionInvalid when it was rolled back, with
   * RequestTimeout when that is still open after the client's request timeout. A response without transaction id has nothing to wait for.
   */
  committed() {
    return this.transaction === void 0 ? Promise.resolve() : this.#actions.committed(this.transaction);
  }
  /** The transaction's receipt, once it is committed. Verify it with `verifyReceipt`: it needs no network. */
  receipt() {
    if (this.transaction !== void 0) return this.#actions.receipt(this.transaction);
    return Promise.reject(
      new ConcordatError("TransactionNotFound", "the response has no transaction id", { status: this.status })
    );
  }
};

// runtime/client/target.ts
var FRONTENDS = ["/app/", "/node/", "/gov/"];
function parseTarget(target) {
  const space = target.indexOf(" ");
  const path = target.slice(space + 1);
  if (space < 1 || !path.startsWith("/")) {
    throw new ConcordatError(
      "InvalidInput",
      `a target is a method and a path, such as 'GET /app/commit'; got '${target.slice(0, 80)}'`
    );
  }
  const isComplete = FRONTENDS.some((frontend) => path.startsWith(frontend));
  return { verb: target.slice(0, space), path: isComplete ? path : `/app${path}` };
}
var encodeBody = (body) => {
  if (body === void 0) return EMPTY;
  return body instanceof Uint8Array ? body : utf8(JSON.stringify(body));
};
function assertSendable(request) {
  const problem = checkRequest(request);
  if (problem !== void 0) throw new ConcordatError(problem.code, problem.message, { status: problem.status });
}

// runtime/client/client.ts
var TICK_MS = 50;
var ASK_AFTER_MS = 500;
var RECEIPT_RETRY_MS = 25;
var Client = class {
  #settings;
  #bus;
  #ownsBus;
  #defer;
  #connector;
  #requests = new Requests();
  #commits = new Commits();
  #lostListeners = /* @__PURE__ */ new Set();
  #actions;
  #keepAlive;
  #session;
  #sessionsOpened = 0;
  #isConnecting = false;
  #isFlushDue = false;
  #isClosed = false;
  #ticker;
  #lastFailure;
  constructor(platform2, bus, credentials, options) {
    this.#settings = settingsOf(options);
    this.#bus = bus;
    this.#ownsBus = options.bus === void 0;
    this.#defer = platform2.defer;
    const { crypto: crypto2 } = platform2;
    this.#connector = new Connector({
      bus,
      crypto: crypto2,
      credentials,
      settings: this.#settings,
      onBatch: (batch) => this.#onBatch(batch),
      onLost: (error) => this.#onLost(error)
    });
    this.#actions = { committed: (txId) => this.#committed(txId), receipt: (txId) => this.#receipt(txId) };
    this.#keepAlive = setInterval(() => this.#session?.ping(performance.now()), this.#settings.keepAliveMs);
    letProcessEnd(this.#keepAlive);
    bus.onStatus((status) => {
      if (status === "disconnected")
        this.#session?.abandon(new ConcordatError("NodeUnreachable", "the connection to NATS was interrupted"));
    });
  }
  /** Opens the first session. Rejects with ConcordatError: at once when trying again is pointless, else after connectTimeoutMs. */
  async open() {
    const deadline = performance.now() + this.#settings.connectTimeoutMs;
    const failure = await this.#connect(() => performance.now() < deadline);
    if (failure !== void 0) throw failure;
    return this;
  }
  /**
   * Sends a request: `POST /statements`, with a body that is sent as JSON, or as it is when it is bytes. Resolves with any response of the service, refusals
   * included (`response.error`). Rejects with ConcordatError when there is none; its `outcomeUnknown` says whether the request may have been executed.
   */
  request(target, body, options = {}) {
    return new Promise((resolve, reject) => {
      this.send(
        target,
        body,
        (outcome) => {
          if (outcome instanceof ConcordatError) reject(outcome);
          else if (options.wait !== "committed" || outcome.transaction === void 0 || !outcome.ok) resolve(outcome);
          else
            this.onCommitted(
              outcome.transaction,
              (error) => error === void 0 ? resolve(outcome) : reject(error),
              options.timeoutMs
            );
        },
        options
      );
    });
  }
  /** As `request`, without a promise: for those who send very many. Throws ConcordatError for what cannot be sent at all. */
  send(target, body, onOutcome, options = {}) {
    if (this.#isClosed) throw closedError();
    const { verb, path } = parseTarget(target);
    const { retry, requestTimeoutMs } = this.#settings;
    const { signal } = options;
    const id = this.#requests.nextId();
    const abort = () => this.#requests.abort(id);
    const request = {
      id,
      verb,
      path,
      body: encodeBody(body),
      deadline: performance.now() + (options.timeoutMs ?? requestTimeoutMs),
      retryable: retry === "safe" && (verb === "GET" || options.idempotent === true),
      onOutcome: (outcome) => {
        if (!(outcome instanceof ConcordatError) && outcome.status === 500 && this.#retries(request, outcome, onOutcome))
          return;
        signal?.removeEventListener("abort", abort);
        onOutcome(outcome instanceof ConcordatError ? outcome : new Response(outcome, this.#actions));
      }
    };
    assertSendable(request);
    if (signal?.aborted === true) throw new ConcordatError("RequestAborted", "the request was aborted");
    signal?.addEventListener("abort", abort, { once: true });
    this.#requests.add(request);
    this.#flushSoon();
  }
  /** The session rule dropped this request unexecuted: it is sent again if it may, else fails. True when that was the case. */
  #retries(request, response, onOutcome) {
    const { error } = new Response(response, this.#actions);
    if (error?.code !== "SessionConsistencyLost") return false;
    if (request.retryable) {
      this.#requests.sendAgain(request);
      this.#flushSoon();
    } else {
      onOutcome(new ConcordatError("SessionConsistencyLost", error.message, { status: response.status }));
    }
    return true;
  }
  /** Calls back once: when the transaction is committed, or with the reason why that is not to be expected. */
  onCommitted(txId, onCommitted, timeoutMs = this.#settings.requestTimeoutMs) {
    if (this.#isClosed) return onCommitted(closedError());
    const now = performance.now();
    this.#commits.wait(txId, now, now + timeoutMs, onCommitted);
    this.#startTicking();
  }
  status() {
    return {
      connected: this.#session !== void 0,
      nodeId: this.#session?.nodeId,
      sessionsOpened: this.#sessionsOpened,
      unsent: this.#requests.unsent,
      inFlight: this.#requests.sent,
      awaitingCommit: this.#commits.waiting
    };
  }
  /** Told whenever a session ends that the client did not end. The next request opens a new one by itself. */
  onSessionLost(listener) {
    this.#lostListeners.add(listener);
    return () => void this.#lostListeners.delete(listener);
  }
  /** Fails what is not answered, tells the node, and closes the connection unless it was given. */
  async close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#keepAlive);
    clearInterval(this.#ticker);
    this.#session?.close();
    this.#session = void 0;
    this.#requests.failAll(closedError());
    this.#commits.fail(closedError());
    if (this.#ownsBus) await this.#bus.close();
  }
  #flushSoon() {
    this.#startTicking();
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    if (this.#requests.sent === 0) queueMicrotask(() => this.#flush());
    else this.#defer(() => this.#flush());
  }
  #flush() {
    this.#isFlushDue = false;
    if (this.#isClosed) return;
    if (this.#session === void 0) return this.#reconnect();
    const requests = this.#requests.takeUnsent();
    if (requests.length > 0) this.#session.send({ requests, controls: [] });
  }
  #onBatch({ responses, notices }) {
    for (const response of responses) this.#requests.answer(response);
    for (const notice of notices) if (notice.type === "commitNotice") this.#commits.committed(notice);
    if (this.#requests.unsent > 0) this.#flushSoon();
  }
  #onLost(error) {
    this.#session = void 0;
    this.#requests.lose(error);
    for (const listener of this.#lostListeners) listener(error);
    this.#reconnect();
  }
  #isBusy() {
    return this.#requests.unsent + this.#requests.sent + this.#commits.waiting > 0;
  }
  #reconnect() {
    if (this.#isClosed || this.#isConnecting || this.#session !== void 0 || !this.#isBusy()) return;
    void this.#connect(() => this.#isBusy()).then((failure) => {
      if (failure !== void 0 && isFinal(failure)) this.#requests.failUnsent(failure);
    });
  }
  /** Tries to open a session while it is wanted; resolves with the failure if there is none in the end. */
  async #connect(isWanted) {
    this.#isConnecting = true;
    const session2 = await this.#connector.open(
      () => !this.#isClosed && isWanted(),
      (failure) => this.#lastFailure = failure
    );
    this.#isConnecting = false;
    if (session2 instanceof ConcordatError) return session2;
    if (this.#isClosed) {
      session2.close();
      return closedError();
    }
    this.#session = session2;
    this.#sessionsOpened++;
    this.#lastFailure = void 0;
    this.#flush();
    return void 0;
  }
  #startTicking() {
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
  }
  #tick() {
    const now = performance.now();
    this.#requests.expire(now, this.#session === void 0 ? this.#lastFailure : void 0);
    this.#commits.expire(now);
    this.#session?.watch(now, this.#settings.livenessMs);
    for (const txId of this.#commits.toAsk(now, ASK_AFTER_MS)) this.#ask(txId);
    if (this.#isBusy()) return;
    clearInterval(this.#ticker);
    this.#ticker = void 0;
  }
  /** Asks what has become of a transaction, for notices may be lost and sessions change. */
  #ask(txId) {
    this.send(`GET /app/tx?transaction_id=${formatTxId(txId)}`, void 0, (outcome) => {
      if (outcome instanceof ConcordatError || !outcome.ok) return;
      const { status } = outcome.body;
      if (status === "Committed") this.#commits.committed(txId);
      else if (status === "Invalid") this.#commits.invalid(txId);
    });
  }
  #committed(txId) {
    return new Promise(
      (resolve, reject) => this.onCommitted(txId, (error) => error === void 0 ? resolve() : reject(error))
    );
  }
  async #receipt(txId) {
    const deadline = performance.now() + this.#settings.requestTimeoutMs;
    await this.#committed(txId);
    while (true) {
      const response = await this.request(`GET /app/receipt?transaction_id=${formatTxId(txId)}`);
      if (response.status === 200) return response.body;
      const { code = "InternalError", message = `status ${response.status}` } = response.error ?? {};
      const mayCome = response.status === 202 || code === "TransactionPendingOrUnknown";
      if (!mayCome)
        throw new ConcordatError(code, `no receipt: ${message}`, { status: response.status });
      if (performance.now() > deadline) throw new ConcordatError("RequestTimeout", "the receipt did not come in time");
      await delay2(RECEIPT_RETRY_MS);
    }
  }
};
var closedError = () => new ConcordatError("ClientClosed", "the client is closed");
async function connectOn(platform2, options) {
  const crypto2 = options.crypto ?? platform2.crypto;
  const { connectTimeoutMs } = settingsOf(options);
  const credentials = makeCredentials(crypto2, options.trust, options.identity);
  const bus = options.bus ?? await openBus(platform2, options, connectTimeoutMs);
  try {
    if (bus.payloadBytesMax < FRAME_BYTES_MAX) {
      const message = `the NATS server carries messages of ${bus.payloadBytesMax} bytes, ${FRAME_BYTES_MAX} are needed: raise its max_payload`;
      throw new ConcordatError("ConnectionFailed", message);
    }
    const client = new Client({ crypto: crypto2, defer: platform2.defer }, bus, credentials, options);
    return await client.open().catch(async (error) => {
      await client.close();
      throw error;
    });
  } catch (error) {
    if (options.bus === void 0) await bus.close();
    throw error;
  }
}
async function openBus(platform2, { servers, token }, timeoutMs) {
  if (servers === void 0) throw new ConcordatError("InvalidInput", "connect needs `servers` or a `bus`");
  try {
    return await platform2.openBus({ servers, token, timeoutMs });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConcordatError("ConnectionFailed", reason, { cause });
  }
}

// protocols/ledger/leaf.ts
var COMMIT_SECRET_LABEL = utf8("Commit S");
function leafHash(crypto2, digest, evidenceDigest, claimsDigest) {
  if (evidenceDigest !== void 0) {
    return claimsDigest === void 0 ? crypto2.sha256(digest, evidenceDigest) : crypto2.sha256(digest, evidenceDigest, claimsDigest);
  }
  return claimsDigest === void 0 ? digest : crypto2.sha256(digest, claimsDigest);
}
var HEX_DIGITS = utf8("0123456789abcdef");

// protocols/merkle/tree.ts
var HASH_BYTES = 32;
var leafNode = (hash2) => ({ hash: hash2, left: void 0, right: void 0 });
var emptyTree = {
  size: 1,
  flushed: 0,
  peaks: { size: 1, node: leafNode(new Uint8Array(HASH_BYTES)), next: void 0 }
};
function foldProof(crypto2, leaf, steps) {
  let hash2 = leaf;
  let preimage;
  for (const step2 of steps) {
    preimage = step2.side === "left" ? { left: step2.hash, right: hash2 } : { left: hash2, right: step2.hash };
    hash2 = crypto2.sha256(preimage.left, preimage.right);
  }
  return { root: hash2, preimage };
}

// protocols/receipts/receipt.ts
var PROOF_STEPS_MAX = 64;
var PEM_CHARS_MAX2 = 16 * 1024;
var ENDORSEMENTS_MAX = 16;
var SIGNATURE_CHARS_MAX = 256;
var COMMIT_EVIDENCE = /^ce:([0-9]{1,10}\.[0-9]{1,16}):[0-9a-f]{64}$/;
var commitEvidenceTxId = (text) => COMMIT_EVIDENCE.exec(text)?.[1];
function asObject(value, what) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DecodeError(`${what} is not an object`, 0);
  }
  return value;
}
function textField(object, name, charsMax) {
  const value = object[name];
  if (typeof value !== "string" || value.length === 0 || value.length > charsMax)
    throw new DecodeError(`bad ${name}`, 0);
  return value;
}
function hashField(object, name) {
  const value = object[name];
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value))
    throw new DecodeError(`${name} is not a SHA-256 hash`, 0);
  return value;
}
function parseStep(value) {
  const step2 = asObject(value, "proof step");
  if ("left" in step2 === "right" in step2) throw new DecodeError("proof step needs one of left and right", 0);
  return "left" in step2 ? { left: hashField(step2, "left") } : { right: hashField(step2, "right") };
}
function parseComponents(value) {
  const components = asObject(value, "leaf_components");
  const evidence = textField(components, "commit_evidence", 1024);
  if (commitEvidenceTxId(evidence) === void 0) throw new DecodeError("bad commit_evidence", 0);
  return {
    ...components["claims_digest"] === void 0 ? {} : { claims_digest: hashField(components, "claims_digest") },
    commit_evidence: evidence,
    write_set_digest: hashField(components, "write_set_digest")
  };
}
function parseList(value, what, lengthMax, parse) {
  if (!Array.isArray(value) || value.length > lengthMax) throw new DecodeError(`bad ${what}`, 0);
  return value.map((item) => parse(item));
}
function parsePem2(value) {
  return textField({ certificate: value }, "certificate", PEM_CHARS_MAX2);
}
function parseReceipt(value) {
  const json = asObject(value, "receipt");
  const hasLeaf = json["leaf"] !== void 0;
  if (hasLeaf === (json["leaf_components"] !== void 0)) {
    throw new DecodeError("receipt needs one of leaf and leaf_components", 0);
  }
  const endorsements = json["service_endorsements"];
  return {
    cert: parsePem2(json["cert"]),
    ...hasLeaf ? { leaf: hashField(json, "leaf") } : { leaf_components: parseComponents(json["leaf_components"]) },
    node_id: hashField(json, "node_id"),
    proof: parseList(json["proof"], "proof", PROOF_STEPS_MAX, parseStep),
    ...endorsements === void 0 ? {} : { service_endorsements: parseList(endorsements, "service_endorsements", ENDORSEMENTS_MAX, parsePem2) },
    signature: textField(json, "signature", SIGNATURE_CHARS_MAX)
  };
}
var proofSteps = (receipt) => receipt.proof.map(
  (step2) => "left" in step2 ? { side: "left", hash: fromHex(step2.left) } : { side: "right", hash: fromHex(step2.right) }
);

// protocols/receipts/verify-receipt.ts
var Refused = class extends Error {
};
function expectedClaims(crypto2, trust) {
  const { claims, claimsDigest } = trust;
  if (claims === void 0) return claimsDigest;
  const digest = crypto2.sha256(claims);
  if (claimsDigest !== void 0 && !equalBytes(digest, claimsDigest))
    throw new Refused("claims and claims digest given differ");
  return digest;
}
function leafOf(crypto2, receipt, trust) {
  const expected = expectedClaims(crypto2, trust);
  const components = receipt.leaf_components;
  if (components === void 0) {
    if (expected !== void 0) throw new Refused("the receipt gives no leaf components, so claims cannot be checked");
    return { hash: fromHex(receipt.leaf ?? ""), txId: void 0, claimsDigest: void 0 };
  }
  const stated = components.claims_digest === void 0 ? void 0 : fromHex(components.claims_digest);
  if (stated !== void 0 && expected !== void 0 && !equalBytes(stated, expected)) {
    throw new Refused("the receipt is for other claims");
  }
  const claimsDigest = stated ?? expected;
  const evidence = components.commit_evidence;
  const hash2 = leafHash(crypto2, fromHex(components.write_set_digest), crypto2.sha256(utf8(evidence)), claimsDigest);
  const txId = parseTxId(commitEvidenceTxId(evidence) ?? "");
  if (txId === void 0) throw new Refused("commit evidence names no transaction");
  return { hash: hash2, txId, claimsDigest };
}
function checkChain(crypto2, node2, receipt, service2) {
  const endorsements = (receipt.service_endorsements ?? []).map((pem) => parseEcCertificate(crypto2, pem));
  if (!verifyIssuedBy(crypto2, node2, endorsements[0] ?? service2)) {
    throw new Refused("the node certificate does not lead to the service certificate");
  }
  endorsements.forEach((endorsement, i) => {
    const issuer = endorsements[i + 1] ?? service2;
    if (!issuer.isCa || !verifySignedBy(crypto2, endorsement, issuer.publicKey)) {
      throw new Refused("the service endorsements do not lead to the service certificate");
    }
  });
}
function checkDates(certificate, what, nowSeconds) {
  if (!isValidAt(certificate, nowSeconds)) throw new Refused(`the ${what} certificate is not valid at that time`);
}
function verify2(crypto2, receipt, trust) {
  const leaf = leafOf(crypto2, receipt, trust);
  const { root, preimage } = foldProof(crypto2, leaf.hash, proofSteps(receipt));
  const node2 = parseEcCertificate(crypto2, receipt.cert);
  const service2 = parseEcCertificate(crypto2, trust.serviceCertificate);
  const signature = fromBase64(receipt.signature);
  const holds = preimage === void 0 ? crypto2.verifyEcdsaDigest(node2.publicKey, root, signature, "der") : crypto2.verifyEcdsa(node2.publicKey, "sha256", concat(preimage.left, preimage.right), signature, "der");
  if (!holds) throw new Refused("the signature over the root does not hold");
  if (nodeIdOf(crypto2, node2) !== receipt.node_id) throw new Refused("the certificate is not of the node named");
  checkChain(crypto2, node2, receipt, service2);
  if (trust.nowSeconds !== void 0) {
    checkDates(node2, "node", trust.nowSeconds);
    checkDates(service2, "service", trust.nowSeconds);
  }
  return {
    ok: true,
    root,
    leaf: leaf.hash,
    nodeId: nodeId(receipt.node_id),
    txId: leaf.txId,
    claimsDigest: leaf.claimsDigest
  };
}
function verifyReceipt(crypto2, receipt, trust) {
  try {
    return verify2(crypto2, parseReceipt(receipt), trust);
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.message };
    if (error instanceof DecodeError) return { ok: false, reason: `malformed: ${error.message}` };
    throw error;
  }
}

// runtime/client/receipts.ts
var receiptVerifier = (crypto2) => (receipt, trust) => verifyReceipt(crypto2, receipt, trust);

// runtime/client/index.ts
var platform = {
  crypto: nativeCrypto,
  defer: (task) => void setImmediate(task),
  openBus: ({ servers, token, timeoutMs }) => connectNats({
    servers,
    name: "concordat client",
    waitOnFirstConnectMs: timeoutMs,
    ...token === void 0 ? {} : { token }
  })
};
var connect2 = (options) => connectOn(platform, options);
var verifyReceipt2 = receiptVerifier(nativeCrypto);

// protocols/crypto/issue.ts
var SERIAL_BYTES = 16;
var KEY_ID_BYTES = 20;
var SERVICE_PATH_LENGTH = Uint8Array.of(1);
var CA_KEY_USAGE = Uint8Array.of(2, 132);
var SIGNATURE_OIDS = {
  sha256: OID.ecdsaSha256,
  sha384: OID.ecdsaSha384,
  sha512: OID.ecdsaSha512
};
var nameDer = (name) => typeof name === "string" ? encodeName(name) : name;
var algorithmOf = (hash2) => derSequence(derOid(SIGNATURE_OIDS[hash2]));
var extension = (oid, value) => derSequence(derOid(oid), derOctets(value));
var criticalExtension = (oid, value) => derSequence(derOid(oid), derTrue(), derOctets(value));
function keyIdOf(crypto2, spki) {
  const fields = new DerReader(spki).inside();
  fields.element(TAG.sequence);
  return crypto2.sha256(fields.octetAlignedBits()).subarray(0, KEY_ID_BYTES);
}
function extensionsOf(crypto2, fields) {
  const { isCa, spki, issuerSpki, subjectAltNames = [] } = fields;
  const constraints = isCa ? derSequence(derTrue(), derUnsigned(SERVICE_PATH_LENGTH)) : derSequence();
  const list = [criticalExtension(OID.basicConstraints, constraints)];
  if (isCa) list.push(criticalExtension(OID.keyUsage, der(TAG.bitString, CA_KEY_USAGE)));
  list.push(extension(OID.subjectKeyId, derOctets(keyIdOf(crypto2, spki))));
  list.push(extension(OID.authorityKeyId, derSequence(der(contextPrimitiveTag(0), keyIdOf(crypto2, issuerSpki)))));
  if (subjectAltNames.length > 0) list.push(extension(OID.subjectAltName, encodeAltNames(subjectAltNames)));
  return der(contextTag(3), derSequence(...list));
}
function certificateBody(crypto2, fields) {
  const afterSerial = [
    algorithmOf(fields.signatureHash),
    nameDer(fields.issuer),
    derSequence(encodeTime(fields.notBeforeSeconds), encodeTime(fields.notAfterSeconds)),
    nameDer(fields.subject),
    fields.spki,
    extensionsOf(crypto2, fields)
  ];
  const serial = crypto2.sha256(...afterSerial).subarray(0, SERIAL_BYTES);
  const version = der(contextTag(0), derUnsigned(Uint8Array.of(2)));
  return derSequence(version, derUnsigned(serial), ...afterSerial);
}
var attachSignature = (body, hash2, signature) => derSequence(body, algorithmOf(hash2), derBits(signature));
function issueCertificate(crypto2, fields, issuerPkcs8) {
  const body = certificateBody(crypto2, fields);
  return attachSignature(body, fields.signatureHash, crypto2.signEcdsa(issuerPkcs8, fields.signatureHash, body, "der"));
}

// test/unit/actors-session/identities.ts
var crypto = nativeCrypto;
var SERVICE = "test";
var NOT_BEFORE_SECONDS = Date.UTC(2020, 0, 1) / 1e3;
var NOT_AFTER_SECONDS = Date.UTC(2099, 0, 1) / 1e3;
function identity(name, options = {}) {
  const curve = options.curve ?? "P-384";
  const { pkcs8, spki } = ecKeyPairFromSeed(curve, utf8(`test key of ${name}`));
  const { issuer } = options;
  const der2 = issueCertificate(
    crypto,
    {
      subject: `CN=${name}`,
      issuer: issuer?.certificate.subjectDer ?? `CN=${name}`,
      spki,
      issuerSpki: issuer?.certificate.spki ?? spki,
      notBeforeSeconds: NOT_BEFORE_SECONDS,
      notAfterSeconds: NOT_AFTER_SECONDS,
      isCa: options.isCa ?? false,
      signatureHash: identityHash(issuer?.curve ?? curve)
    },
    issuer?.pkcs8 ?? pkcs8
  );
  const staticKey = noiseKeyPair(crypto, crypto.sha256(utf8(`test static key of ${name}`)));
  return { pkcs8, der: der2, certificate: parseCertificate(der2), curve, staticKey };
}
var service = identity("CCF Service", { isCa: true });
var otherService = identity("Other Service", { isCa: true });
var node = identity("CCF Node", { issuer: service });
var user = identity("user0");
var nodeId2 = nodeIdOf(crypto, node.certificate);
function payload(role, who, binding) {
  const statement = staticKeyStatement(role, binding, who.staticKey.publicKey);
  const signature = crypto.signEcdsa(who.pkcs8, identityHash(who.curve), statement, "der");
  return encodeIdentityPayload({ role, proof: { certificate: who.der, signature } });
}
var sessionPayload = (role, who, of = service) => payload(role, who, serviceIdentity(crypto, of.certificate));

// actors/actor.ts
var NO_EFFECTS = [];
var unchanged = (state) => ({ state, effects: NO_EFFECTS });
var step = (state, ...effects) => ({ state, effects });
var erase = (definition) => definition;

// actors/session/session.ts
import { setup } from "xstate";

// actors/machine.ts
import {
  createActor,
  enqueueActions
} from "xstate";
var machineTypes = () => ({});
function guards(table) {
  const wrap = (decide) => (args) => decide(args.context.s, args.event.envelope);
  return mapValues(table, wrap);
}
function actions(table) {
  const wrap = (act) => enqueueActions(
    ({ context, event, enqueue }) => {
      const { state, effects } = act(context.s, event.envelope);
      if (state !== context.s) enqueue.assign({ s: state });
      if (effects.length > 0) enqueue({ type: PERFORM, params: effects });
    }
  );
  return mapValues(table, wrap);
}
function judgeOnce(judge) {
  const verdicts = /* @__PURE__ */ new WeakMap();
  return (state, envelope) => {
    const known = verdicts.get(envelope);
    if (known?.state === state) return known.verdict;
    const verdict = judge(state, envelope);
    verdicts.set(envelope, { state, verdict });
    return verdict;
  };
}
var PERFORM = "perform";
function mapValues(table, map) {
  const out = {};
  for (const name of Object.keys(table)) out[name] = map(table[name]);
  return out;
}
function machineActor(actor) {
  const { machine } = actor;
  const problem = forbidden(machine);
  if (problem !== void 0) throw new InvariantViolation(`chart of ${actor.kind}: ${problem}`);
  const collected = [];
  const scope = inertScope(machine, collected);
  const snapshots = /* @__PURE__ */ new WeakMap();
  const remember = (snapshot) => {
    const state = { value: valueOf(snapshot), s: snapshot.context.s };
    snapshots.set(state, snapshot);
    return state;
  };
  const snapshotOf = (state) => {
    const known = snapshots.get(state);
    if (known !== void 0) return known;
    return machine.resolveState({ value: nested(state.value), context: { s: state.s } });
  };
  return {
    kind: actor.kind,
    version: actor.version,
    start(config) {
      const first = actor.start(config);
      const snapshot = machine.resolveState({ value: initialValue(machine), context: { s: first.state } });
      return { state: remember(snapshot), effects: first.effects };
    },
    step(state, envelope) {
      const before = snapshotOf(state);
      collected.length = 0;
      const after = machine.transition(before, { type: envelope.event.type, envelope }, scope);
      if (after === before && collected.length === 0) return { state, effects: NO_EFFECTS };
      const same = after.context === before.context && valueOf(after) === state.value;
      return { state: same ? state : remember(after), effects: collected.slice() };
    },
    describe: (state) => state.value,
    invariants: (actor.invariants ?? []).map(({ name, broken }) => ({ name, broken: (state) => broken(state.s) }))
  };
}
function valueOf(snapshot) {
  let value = snapshot.value;
  if (typeof value === "string") return value;
  let path = "";
  while (typeof value === "object" && value !== null) {
    const [name] = Object.keys(value);
    path += `${name}.`;
    value = value[name];
  }
  return path + String(value);
}
function nested(path) {
  const [innermost, ...outer] = path.split(".").reverse();
  return outer.reduce((value, name) => ({ [name]: value }), innermost);
}
function initialValue(machine) {
  const [target] = machine.root.initial?.target ?? [];
  if (target === void 0 || Object.keys(target.states).length > 0) {
    throw new InvariantViolation(`chart ${machine.id}: the initial state must be a simple one`);
  }
  return target.key;
}
function inertScope(machine, collected) {
  const self = createActor(machine, { input: void 0 });
  const refuse2 = (what) => () => {
    throw new InvariantViolation(`chart ${machine.id} uses ${what}`);
  };
  return {
    self,
    id: self.id,
    sessionId: self.sessionId,
    logger: refuse2("a logger"),
    defer: refuse2("deferred actions"),
    emit: refuse2("emit"),
    stopChild: refuse2("children"),
    system: self.system,
    actionExecutor: (action) => {
      if (action.type !== PERFORM) throw new InvariantViolation(`chart ${machine.id}: unknown action '${action.type}'`);
      collected.push(...action.params);
    }
  };
}
var STATES_MAX = 12;
var DEPTH_MAX = 3;
function forbidden(machine) {
  let states = 0;
  const known = { actions: machine.implementations.actions, guards: machine.implementations.guards };
  const visit = (node2, depth) => {
    states += depth === 0 ? 0 : 1;
    if (depth > DEPTH_MAX) return `deeper than ${DEPTH_MAX}`;
    if (node2.type === "parallel" || node2.type === "history") return `a ${node2.type} state '${node2.key}'`;
    if (node2.invoke.length > 0) return `invoke in '${node2.key}'`;
    if (node2.after.length > 0) return `after in '${node2.key}'`;
    if (node2.always !== void 0 && node2.always.length > 0) return `always in '${node2.key}'`;
    for (const [descriptor, transitions] of node2.transitions) {
      if (descriptor.includes("*")) return `a wildcard in '${node2.key}'`;
      for (const transition of transitions) {
        const guard = transition.guard;
        if (guard !== void 0 && (typeof guard !== "string" || !(guard in known.guards))) {
          return `guard '${String(guard)}' on ${descriptor} in '${node2.key}' is not a name in setup()`;
        }
        for (const action of transition.actions) {
          if (typeof action !== "string" || !(action in known.actions)) {
            return `action '${String(action)}' on ${descriptor} in '${node2.key}' is not a name in setup()`;
          }
        }
      }
    }
    if (node2.entry.length > 0 || node2.exit.length > 0) return `entry or exit actions in '${node2.key}'`;
    for (const child of Object.values(node2.states)) {
      const problem2 = visit(child, depth + 1);
      if (problem2 !== void 0) return problem2;
    }
    return void 0;
  };
  const problem = visit(machine.root, 0);
  return problem ?? (states > STATES_MAX ? `${states} states, at most ${STATES_MAX}` : void 0);
}

// actors/effects.ts
var send = (to, message) => ({ type: "send", to, message });
var trace = (point, fields = {}) => ({
  type: "trace",
  point,
  fields
});

// actors/session/state.ts
var EMPTY_OUTBOX = { responses: [], notices: [] };
var isEmptyOutbox = (outbox) => outbox === EMPTY_OUTBOX;
var initialState = (config) => ({
  config,
  handshake: void 0,
  keys: void 0,
  caller: { kind: "anonymous" },
  activeView: 0,
  nextToken: 1,
  pending: 0,
  probing: 0,
  waiting: [],
  outbox: EMPTY_OUTBOX,
  lastFrameAt: 0
});

// actors/session/outbox.ts
function post(s, envelope, responses, notices) {
  if (responses.length + notices.length === 0) return unchanged(s);
  const { outbox } = s;
  const state = {
    ...s,
    outbox: {
      responses: responses.length === 0 ? outbox.responses : [...outbox.responses, responses],
      notices: notices.reduce(withNotice, outbox.notices)
    }
  };
  return { state, effects: isEmptyOutbox(outbox) ? [send(envelope.to, { type: "flush" })] : NO_EFFECTS };
}
function withNotice(notices, notice) {
  const last = notices.at(-1);
  const supersedes = notice.type === "commitNotice" && last?.type === "commitNotice" && last.view === notice.view;
  return supersedes ? [...notices.slice(0, -1), notice] : [...notices, notice];
}
function flush(s) {
  if (isEmptyOutbox(s.outbox) || s.keys === void 0) return unchanged(s);
  const { crypto: crypto2, replySubject } = s.config;
  const { responses, notices } = s.outbox;
  const effects = [];
  let sending = s.keys.send;
  for (const content of encodeNodeBatch({
    responses: responses.length === 1 ? responses[0] : responses.flat(),
    notices
  })) {
    const sealed = sealFrame(crypto2, sending, content);
    invariant("bytes" in sealed, "a session ends long before its key is exhausted");
    sending = sealed.state;
    effects.push({ type: "publish", subject: replySubject, payload: sealed.bytes });
  }
  return { state: { ...s, keys: { ...s.keys, send: sending }, outbox: EMPTY_OUTBOX }, effects };
}
function closeWith(s, envelope, code, message) {
  const posted = post(s, envelope, [], [{ type: "closed", code, message }]);
  const flushed = flush(posted.state);
  const ended = end(flushed.state, envelope, code);
  return { state: ended.state, effects: [...flushed.effects, ...ended.effects] };
}
function end(s, envelope, reason) {
  const { sessionId } = s.config;
  return {
    state: { ...s, handshake: void 0, keys: void 0, waiting: [], outbox: EMPTY_OUTBOX },
    effects: [
      trace("sessionEnded", { reason, unanswered: s.pending }),
      send("node", { type: "sessionEnded", sessionId }),
      { type: "stopActor", address: envelope.to }
    ]
  };
}

// actors/session/handshake.ts
var EPHEMERAL_KEY_BYTES2 = 32;
var startEffects = ({ handshakeTimeoutMs }) => [
  { type: "drawBytes", token: 0, count: EPHEMERAL_KEY_BYTES2 },
  { type: "setTimer", name: "handshakeTimeout", afterMs: [handshakeTimeoutMs, handshakeTimeoutMs] }
];
var judgeHello = judgeOnce((s, envelope) => {
  const { bytes } = envelope.event;
  const { crypto: crypto2, service: service2, serviceCertificate, staticKey, clientNoise, identityPayload } = s.config;
  const prologue = sessionPrologue(service2, serviceIdentity(crypto2, serviceCertificate));
  const fresh = initHandshake(crypto2, { pattern: PATTERN_XX, initiator: false, prologue, s: staticKey });
  const read = readMessage(crypto2, fresh, clientNoise);
  return read && writeMessage(crypto2, read.state, identityPayload, bytes);
});
var helloIsReadable = (s, envelope) => judgeHello(s, envelope) !== void 0;
function answerHello(s, envelope) {
  const answer2 = judgeHello(s, envelope);
  if (answer2 === void 0) return unchanged(s);
  const { nodeId: nodeId3, sessionId, primaryHint, replySubject } = s.config;
  const payload2 = encodeHello({ type: "nodeAnswer", session: sessionId, nodeId: nodeId3, primaryHint, noise: answer2.message });
  return step({ ...s, handshake: answer2.state }, { type: "publish", subject: replySubject, payload: payload2 });
}
var refuseHello = (s, envelope) => refuse(s, envelope, "InvalidInput", "the hello does not carry a usable Noise message");
var judgeFinish = judgeOnce((s, envelope) => {
  const { payload: payload2 } = envelope.event;
  const { crypto: crypto2, serviceCertificate } = s.config;
  const hello = decodeHello(payload2);
  if (hello?.type !== "clientFinish" || s.handshake === void 0) return { kind: "ignored" };
  const read = readMessage(crypto2, s.handshake, hello.noise);
  if (read === void 0) return { kind: "ignored" };
  const { sendKey, receiveKey, remoteStatic } = split(crypto2, read.state);
  if (remoteStatic === void 0) return { kind: "ignored" };
  const identity2 = verifyIdentityPayload(crypto2, {
    payload: read.payload,
    remoteStatic,
    serviceCertificate,
    expect: "client"
  });
  if ("refused" in identity2) return { kind: "refused", reason: identity2.refused };
  if (identity2.kind === "node") return { kind: "refused", reason: "wrongRole" };
  return {
    kind: "proven",
    keys: { send: startSending(sendKey), receive: startReceiving(receiveKey) },
    caller: identity2
  };
});
var finishProvesIdentity = (s, envelope) => judgeFinish(s, envelope).kind === "proven";
var finishIsRefused = (s, envelope) => judgeFinish(s, envelope).kind === "refused";
function openSession2(s, envelope) {
  const verdict = judgeFinish(s, envelope);
  if (verdict.kind !== "proven") return unchanged(s);
  const { idleTimeoutMs } = s.config;
  return step(
    { ...s, handshake: void 0, keys: verdict.keys, caller: verdict.caller, lastFrameAt: envelope.at },
    { type: "cancelTimer", name: "handshakeTimeout" },
    { type: "setTimer", name: "idleTimeout", afterMs: [idleTimeoutMs, idleTimeoutMs] },
    trace("sessionOpened", { caller: verdict.caller.kind })
  );
}
var IDENTITY_PROBLEMS = {
  malformed: "the proof of identity is malformed",
  wrongRole: "the proof of identity is not a client\u2019s",
  badCertificate: "the certificate cannot be read, or its key is not supported",
  badSignature: "the session key is not signed by the key of the certificate",
  notEndorsed: "the certificate is not endorsed",
  notValidNow: "the certificate is not valid now"
};
function refuseIdentity(s, envelope) {
  const verdict = judgeFinish(s, envelope);
  const reason = verdict.kind === "refused" ? verdict.reason : "malformed";
  return refuse(s, envelope, "InvalidAuthenticationInfo", IDENTITY_PROBLEMS[reason]);
}
var ignoreForgery = (s) => step(s, trace("frameIgnored", { reason: "notTheFinish" }));
var giveUp = (s, envelope) => end(s, envelope, "handshakeTimeout");
function refuse(s, envelope, code, message) {
  const payload2 = encodeHello({ type: "sessionRefusal", code, message });
  const ended = end(s, envelope, code);
  return {
    state: ended.state,
    effects: [{ type: "publish", subject: s.config.replySubject, payload: payload2 }, ...ended.effects]
  };
}

// protocols/requests.ts
var jsonResponse = (id, status, body, txId) => ({
  id,
  status,
  contentType: "json",
  body: new TextEncoder().encode(JSON.stringify(body)),
  txId
});
var refusalResponse = (id, r) => jsonResponse(id, r.status, { error: { code: r.code, message: r.message } });

// actors/session/requests.ts
var judgeFrame = judgeOnce((s, envelope) => {
  const { payload: payload2 } = envelope.event;
  if (s.keys === void 0) return { kind: "ignored", reason: "notOpen" };
  const opened = openFrame(s.config.crypto, s.keys.receive, payload2);
  if ("refused" in opened) return { kind: "ignored", reason: opened.refused };
  const batch = decodeClientBatch(opened.plaintext);
  return batch === void 0 ? { kind: "malformed" } : { kind: "batch", receive: opened.state, batch };
});
var frameIsMalformed = (s, envelope) => judgeFrame(s, envelope).kind === "malformed";
function clientCloses(s, envelope) {
  const verdict = judgeFrame(s, envelope);
  return verdict.kind === "batch" && verdict.batch.controls.some((control) => control.type === "close");
}
function receiveFrame(s, envelope) {
  const verdict = judgeFrame(s, envelope);
  if (verdict.kind === "ignored") return step(s, trace("frameIgnored", { reason: verdict.reason }));
  if (verdict.kind === "malformed" || s.keys === void 0) return step(s);
  const { requests, refused, controls } = verdict.batch;
  const room = Math.max(0, SESSION_REQUESTS_PENDING_MAX - s.pending);
  const accepted = requests.length > room ? requests.slice(0, room) : requests;
  const responses = refused.map(({ id, refusal: problem }) => refusalResponse(id, problem));
  for (let i = room; i < requests.length; i++) responses.push(refusalResponse(requests[i].id, TOO_MANY_PENDING));
  const notices = [];
  for (const control of controls) if (control.type === "ping") notices.push({ type: "pong", id: control.id });
  const heard = { ...s, keys: { ...s.keys, receive: verdict.receive }, lastFrameAt: envelope.at };
  const asked = accepted.length === 0 ? step(heard) : execute(heard, accepted);
  const posted = post(asked.state, envelope, responses, notices);
  return { state: posted.state, effects: [...asked.effects, ...posted.effects] };
}
var TOO_MANY_PENDING = refusal(
  503,
  "TooManyPendingTransactions",
  `the session has ${SESSION_REQUESTS_PENDING_MAX} requests waiting`
);
function execute(s, requests) {
  const pending = s.pending + requests.length;
  if (s.activeView === 0 && s.probing > 0) return step({ ...s, pending, waiting: [...s.waiting, ...requests] });
  const asked = ask(s, requests);
  return { state: { ...asked.state, pending }, effects: asked.effects };
}
function ask(s, requests) {
  const { activeView, caller, nextToken } = s;
  return step(
    { ...s, nextToken: nextToken + 1, probing: activeView === 0 ? requests.length : 0 },
    send("executor", { type: "execute", token: nextToken, caller, activeView, publicOnly: false, requests })
  );
}
function answer(s, envelope) {
  const { view: executedView, responses } = envelope.event;
  const activeView = s.activeView === 0 ? executedView : s.activeView;
  const probing = Math.max(0, s.probing - responses.length);
  const answered = { ...s, activeView, probing, pending: Math.max(0, s.pending - responses.length) };
  const released = answered.waiting.length > 0 && (activeView > 0 || probing === 0) ? ask({ ...answered, waiting: [] }, answered.waiting) : step(answered);
  const posted = post(released.state, envelope, responses, []);
  return { state: posted.state, effects: [...released.effects, ...posted.effects] };
}
function consistencyIsLost(s, envelope) {
  const { view: executedView, responses } = envelope.event;
  if (executedView !== 0 && s.activeView !== 0 && executedView !== s.activeView) return true;
  return responses.some(saysConsistencyLost);
}
function saysConsistencyLost(response) {
  if (response.status !== 500 || response.contentType !== "json") return false;
  try {
    const body = JSON.parse(fromUtf8(response.body));
    return body?.error?.code === "SessionConsistencyLost";
  } catch {
    return false;
  }
}
var endInconsistent = (s, envelope) => closeWith(
  s,
  envelope,
  "SessionConsistencyLost",
  "the view has changed since the session began; open a new session and read before you go on"
);
function noticeCommit(s, envelope) {
  const notice = envelope.event;
  return post(s, envelope, [], [{ type: "commitNotice", view: view(notice.view), seqno: seqno(notice.seqno) }]);
}
var refuseMalformed = (s, envelope) => closeWith(s, envelope, "InvalidInput", "a frame does not follow the session format");
var closeOnDemand = (s, envelope) => {
  const { code, message } = envelope.event;
  return closeWith(s, envelope, code, message);
};
var keyIsSpent = (s) => s.keys !== void 0 && isRekeyDue(s.keys.send);
var endSpent = (s, envelope) => closeWith(
  s,
  envelope,
  "SessionConsistencyLost",
  "the session has sealed all the frames its key is good for; open a new one"
);
var isIdle = (s, envelope) => envelope.at - s.lastFrameAt >= s.config.idleTimeoutMs;
function watchIdle(s, envelope) {
  const remainingMs = Math.max(1, s.lastFrameAt + s.config.idleTimeoutMs - envelope.at);
  return step(s, { type: "setTimer", name: "idleTimeout", afterMs: [remainingMs, remainingMs] });
}
var endIdle = (s, envelope) => closeWith(
  s,
  envelope,
  "SessionConsistencyLost",
  `nothing was heard for ${s.config.idleTimeoutMs} ms; open a new session`
);

// actors/session/session.ts
var sessionSetup = setup({
  types: machineTypes(),
  guards: guards({
    helloIsReadable,
    finishProvesIdentity,
    finishIsRefused,
    frameIsMalformed,
    clientCloses,
    consistencyIsLost,
    keyIsSpent,
    isIdle
  }),
  actions: actions({
    answerHello,
    refuseHello,
    openSession: openSession2,
    refuseIdentity,
    ignoreForgery,
    giveUp,
    receiveFrame,
    refuseMalformed,
    answer,
    noticeCommit,
    flush,
    watchIdle,
    endIdle,
    endInconsistent,
    endSpent,
    endByClient: (s, envelope) => end(s, envelope, "closedByClient"),
    closeOnDemand
  })
});
var handshakeTimeout = { target: "closed", actions: "giveUp" };
var closeSession = { target: "closed", actions: "closeOnDemand" };
var sessionMachine = sessionSetup.createMachine({
  id: "session",
  context: ({ input }) => ({ s: input }),
  initial: "awaitingRandomness",
  states: {
    awaitingRandomness: {
      on: {
        bytesDrawn: [
          { guard: "helloIsReadable", target: "awaitingFinish", actions: "answerHello" },
          { target: "closed", actions: "refuseHello" }
        ],
        handshakeTimeout,
        closeSession
      }
    },
    awaitingFinish: {
      on: {
        received: [
          { guard: "finishProvesIdentity", target: "open", actions: "openSession" },
          { guard: "finishIsRefused", target: "closed", actions: "refuseIdentity" },
          { actions: "ignoreForgery" }
        ],
        handshakeTimeout,
        closeSession
      }
    },
    open: {
      on: {
        received: [
          { guard: "frameIsMalformed", target: "closed", actions: "refuseMalformed" },
          { guard: "clientCloses", target: "closed", actions: ["receiveFrame", "endByClient"] },
          { actions: "receiveFrame" }
        ],
        executed: [
          { guard: "consistencyIsLost", target: "closed", actions: ["answer", "endInconsistent"] },
          { actions: "answer" }
        ],
        commitNotice: { actions: "noticeCommit" },
        flush: [{ guard: "keyIsSpent", target: "closed", actions: "endSpent" }, { actions: "flush" }],
        idleTimeout: [{ guard: "isIdle", target: "closed", actions: "endIdle" }, { actions: "watchIdle" }],
        closeSession
      }
    },
    closed: {}
  }
});
var invariants = [
  {
    name: "a session never has more requests pending than it may",
    broken: (s) => s.pending > SESSION_REQUESTS_PENDING_MAX ? `${s.pending} pending` : void 0
  },
  {
    name: "requests wait only until the view of the session is known",
    broken: (s) => s.waiting.length > 0 && (s.activeView > 0 || s.probing === 0) ? `${s.waiting.length} waiting` : void 0
  },
  {
    name: "the ephemeral key is forgotten once there are session keys",
    broken: (s) => s.keys !== void 0 && s.handshake !== void 0 ? "handshake state kept" : void 0
  }
];
var session = machineActor({
  kind: "session",
  version: 1,
  machine: sessionMachine,
  start: (config) => ({ state: initialState(config), effects: startEffects(config) }),
  invariants
});

// protocols/session/admission.ts
function admitHello(payload2, reply, node2) {
  const hello = decodeHello(payload2);
  if (hello?.type === "unsupportedVersion") {
    if (reply === void 0 || !isReplySubject(reply)) return { kind: "ignore" };
    const message = `session protocol version ${hello.version} is not spoken here, version ${HELLO_VERSION} is`;
    return {
      kind: "refuse",
      replySubject: reply,
      payload: encodeHello({ type: "sessionRefusal", code: "NotImplemented", message })
    };
  }
  if (hello?.type !== "clientHello") return { kind: "ignore" };
  const { replySubject, noise } = hello;
  const refuse2 = (code, message) => ({
    kind: "refuse",
    replySubject,
    payload: encodeHello({ type: "sessionRefusal", code, message })
  });
  if (!node2.isReady) return refuse2("FrontendNotOpen", "the node does not take part in the service yet");
  if (node2.sessionsOpen >= SESSIONS_MAX)
    return refuse2("SessionCapExhausted", `the node has ${SESSIONS_MAX} sessions open`);
  return { kind: "admit", replySubject, clientNoise: noise };
}

// test/unit/actors-session/tiny-host.ts
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return state / 2 ** 32;
  };
}
var TinyHost = class {
  now = 0;
  published = [];
  traces = [];
  /** Messages to addresses no actor has. */
  sent = [];
  stopped = [];
  onPublish;
  onSend;
  #actors = /* @__PURE__ */ new Map();
  #timers = /* @__PURE__ */ new Map();
  #mailbox = [];
  #random;
  #seq = 0;
  constructor(seed = 1) {
    this.#random = seeded(seed);
  }
  start(address, definition, config) {
    const first = definition.start(config);
    this.#actors.set(address, { definition, state: first.state });
    this.#perform(address, first.effects);
    this.drain();
  }
  /** Handles one event and everything that follows from it at once. */
  post(to, event, from = "test") {
    this.enqueue(to, event, from);
    this.drain();
  }
  enqueue(to, event, from = "test") {
    this.#mailbox.push({ seq: ++this.#seq, at: this.now, from, to, event });
  }
  receive(to, payload2, reply) {
    this.post(to, { type: "received", subject: "any", reply, payload: payload2 });
  }
  drain() {
    for (let envelope = this.#mailbox.shift(); envelope !== void 0; envelope = this.#mailbox.shift()) {
      const actor = this.#actors.get(envelope.to);
      if (actor === void 0) continue;
      const next = actor.definition.step(actor.state, envelope);
      actor.state = next.state;
      for (const { name, broken } of actor.definition.invariants) {
        const problem = broken(next.state);
        if (problem !== void 0) throw new Error(`${envelope.to}: ${name}: ${problem}`);
      }
      this.#perform(envelope.to, next.effects);
    }
  }
  /** Lets time pass, firing timers in order. */
  advance(ms) {
    const until = this.now + ms;
    while (true) {
      const due = [...this.#timers.entries()].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === void 0) break;
      this.#timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      this.post(due[1].actor, { type: due[1].name }, due[1].actor);
    }
    this.now = until;
  }
  timerIsSet(actor, name) {
    return this.#timers.has(`${actor} ${name}`);
  }
  describe(address) {
    const actor = this.#actors.get(address);
    return actor?.definition.describe(actor.state);
  }
  stateOf(address) {
    return this.#actors.get(address)?.state;
  }
  tracesOf(point) {
    return this.traces.filter((trace2) => trace2.point === point).length;
  }
  #perform(from, effects) {
    for (const effect of effects) this.#performOne(from, effect);
  }
  #performOne(from, effect) {
    switch (effect.type) {
      case "send": {
        const sender = effect.from ?? from;
        if (this.#actors.has(effect.to)) this.enqueue(effect.to, effect.message, sender);
        else this.sent.push({ from: sender, to: effect.to, message: effect.message });
        this.onSend?.(effect.to, effect.message, sender);
        return;
      }
      case "publish": {
        const message = { from, subject: effect.subject, payload: effect.payload, reply: effect.reply };
        this.published.push(message);
        this.onPublish?.(message);
        return;
      }
      case "setTimer": {
        const [min, max] = effect.afterMs;
        const at = this.now + min + this.#random() * (max - min);
        this.#timers.set(`${from} ${effect.name}`, { actor: from, name: effect.name, at });
        return;
      }
      case "cancelTimer":
        this.#timers.delete(`${from} ${effect.name}`);
        return;
      case "drawBytes": {
        const bytes = Uint8Array.from({ length: effect.count }, () => Math.floor(this.#random() * 256));
        this.enqueue(from, { type: "bytesDrawn", token: effect.token, bytes }, "host");
        return;
      }
      case "stopActor":
        this.stopped.push(effect.address);
        this.#actors.delete(effect.address);
        for (const [key, timer] of this.#timers) if (timer.actor === effect.address) this.#timers.delete(key);
        return;
      case "trace":
        this.traces.push({ from, point: effect.point, fields: effect });
        return;
      default:
        throw new Error(`the tiny host does not do ${effect.type}`);
    }
  }
};

// test/unit/client/fake-node.ts
function echo() {
  let last = 0;
  return ({ id, verb, path, body }) => jsonResponse(id, 200, { verb, path, body: Buffer.from(body).toString() }, { view: view(2), seqno: seqno(++last) });
}
var FakeNode = class {
  nodeId;
  host;
  executes = [];
  framesIn = [];
  handler;
  view = 2;
  isReady = true;
  isSilent = false;
  #options;
  #sessions = 0;
  #subscriptions = [];
  constructor(options) {
    this.#options = options;
    const { bus, identity: identity2 } = options;
    this.nodeId = nodeIdOf(crypto, identity2.certificate);
    this.host = new TinyHost(options.seed ?? 1);
    this.handler = options.handler ?? echo();
    this.host.onPublish = ({ subject, payload: payload2 }) => {
      if (!this.isSilent) bus.publish(subject, payload2);
    };
    this.host.onSend = (to, message, from) => {
      if (to === "executor") this.#execute(from, message);
    };
    const receive = (message) => this.#receive(message);
    this.#subscriptions.push(
      bus.subscribe(nodeSubjects(SERVICE, this.nodeId), receive),
      bus.subscribe(sessionSubject(SERVICE), receive, { queue: "nodes" })
    );
  }
  /** As SIGKILL: nothing is said, nobody listens any more. */
  kill() {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.isSilent = true;
  }
  /** As if the session had never been: a node that has forgotten it. */
  forgetSessions() {
    for (let i = 1; i <= this.#sessions; i++)
      this.host.post(`session/s${i}`, { type: "closeSession", code: "InternalError", message: "" });
  }
  closeSessions(code, message) {
    for (let i = 1; i <= this.#sessions; i++)
      this.host.post(`session/s${i}`, { type: "closeSession", code, message });
  }
  commit(committedView, committedSeqno) {
    const notice = { type: "commitNotice", view: committedView, seqno: committedSeqno };
    for (let i = 1; i <= this.#sessions; i++) this.host.post(`session/s${i}`, notice, "executor");
  }
  #receive({ subject, reply, payload: payload2 }) {
    if (this.isSilent) return;
    const parsed = parseNodeSubject(SERVICE, this.nodeId, subject);
    if (parsed?.kind !== "sessionFrame") return this.#admit(payload2, reply);
    this.framesIn.push(payload2);
    const address = `session/${parsed.session}`;
    if (this.host.describe(address) !== void 0) this.host.receive(address, payload2, reply);
    else if (reply !== void 0) {
      const refused = {
        type: "sessionRefusal",
        code: "ResourceNotFound",
        message: "no such session on this node"
      };
      this.#options.bus.publish(reply, encodeHello(refused));
    }
  }
  #admit(payload2, reply) {
    const admission = admitHello(payload2, reply, { sessionsOpen: 0, isReady: this.isReady });
    if (admission.kind === "refuse") this.#options.bus.publish(admission.replySubject, admission.payload);
    if (admission.kind !== "admit") return;
    const { identity: identity2, of = service, primary } = this.#options;
    const sessionId = `s${++this.#sessions}`;
    const config = {
      crypto,
      service: SERVICE,
      serviceCertificate: of.certificate,
      nodeId: this.nodeId,
      sessionId,
      staticKey: identity2.staticKey,
      identityPayload: sessionPayload("node", identity2, of),
      replySubject: admission.replySubject,
      clientNoise: admission.clientNoise,
      primaryHint: primary,
      handshakeTimeoutMs: 5e3,
      idleTimeoutMs: 6e4
    };
    this.host.start(`session/${sessionId}`, erase(session), config);
  }
  #execute(from, message) {
    this.executes.push(message);
    const responses = message.requests.map((request) => this.handler(request, message.caller)).filter((response) => response !== void 0);
    if (responses.length === 0) return;
    this.host.enqueue(from, { type: "executed", token: message.token, view: this.view, responses }, "executor");
  }
};

// test/unit/client/tmp-bench-run.ts
var it = (_n, f, _t) => f();
it("bench", async () => {
  const hub = createInProcessBusHub();
  let n = 0;
  const fake = new FakeNode({ bus: hub.connect(), identity: node, handler: ({ id }) => ({ id, status: 200, contentType: "none", body: EMPTY, txId: { view: view(2), seqno: seqno(++n) } }) });
  fake.executes.push = () => 0;
  const client = await connect2({ bus: hub.connect(), service: SERVICE, trust: formatPem("CERTIFICATE", service.der) });
  for (const W of [1, 64, 512]) {
    const N = W === 1 ? 3e3 : 2e5;
    for (let round = 0; round < 2; round++) {
      const t = performance.now();
      const cpu = process.cpuUsage();
      await new Promise((resolve) => {
        let done = 0, sent = 0;
        const body = new Uint8Array(20);
        const one = () => {
          if (sent < N) {
            sent++;
            client.send("POST /x", body, () => {
              if (++done === N) resolve();
              else one();
            });
          }
        };
        for (let i = 0; i < W; i++) one();
      });
      const c = process.cpuUsage(cpu);
      fake.host.published.length = 0;
      fake.host.sent.length = 0;
      fake.framesIn.length = 0;
      console.log(W, ((performance.now() - t) * 1e3 / N).toFixed(2), "us wall/req", ((c.user + c.system) / N).toFixed(2), "us cpu/req client+session+fake");
    }
  }
  await client.close();
}, 12e4);
