// protocols/codec/bytes.ts
var EMPTY = new Uint8Array(0);
var textEncoder = new TextEncoder();
var strictTextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
var HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
var CHUNK = 8192;
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

// store/kv/sorted-map.ts
var ITEMS_MAX = 48;
var ITEMS_MIN = ITEMS_MAX >> 2;
function lowerBound(keys2, key) {
  let low = 0;
  let high = keys2.length;
  while (low < high) {
    const middle = low + high >> 1;
    if (keys2[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
function childIndex(keys2, key) {
  let low = 1;
  let high = keys2.length;
  while (low < high) {
    const middle = low + high >> 1;
    if (keys2[middle] <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
var splitOff;
var sizeChange = 0;
var SortedMap = class {
  size;
  /** Internal to this file. */
  root;
  constructor(root, size) {
    this.root = root;
    this.size = size;
  }
  get(key) {
    let node = this.root;
    while (!node.leaf) node = node.children[childIndex(node.keys, key)];
    const index = lowerBound(node.keys, key);
    return node.keys[index] === key ? node.values[index] : void 0;
  }
  /**
   * Visits keys in [from, to) in order until `visit` returns false; undefined leaves a side open.
   * @returns false when the visitor stopped it.
   */
  scan(from, to, visit) {
    return scanNode(this.root, from, to, visit) !== STOPPED;
  }
  edit() {
    return new SortedMapEdit(this);
  }
};
var STOPPED = 1;
var PASSED_END = 2;
var GO_ON = 0;
function scanNode(node, from, to, visit) {
  if (node.leaf) {
    for (let i = from === void 0 ? 0 : lowerBound(node.keys, from); i < node.keys.length; i++) {
      const key = node.keys[i];
      if (to !== void 0 && key >= to) return PASSED_END;
      if (visit(key, node.values[i]) === false) return STOPPED;
    }
    return GO_ON;
  }
  const first = from === void 0 ? 0 : childIndex(node.keys, from);
  for (let i = first; i < node.children.length; i++) {
    const result = scanNode(node.children[i], i === first ? from : void 0, to, visit);
    if (result !== GO_ON) return result;
  }
  return GO_ON;
}
var SortedMapEdit = class {
  #root;
  #size;
  #owner = {};
  constructor(base) {
    this.#root = base.root;
    this.#size = base.size;
  }
  set(key, value) {
    sizeChange = 0;
    const root = setIn(this.#root, key, value, this.#owner);
    this.#size += sizeChange;
    if (splitOff === void 0) this.#root = root;
    else {
      const right = splitOff;
      this.#root = { leaf: false, owner: this.#owner, keys: [root.keys[0], right.keys[0]], children: [root, right] };
      splitOff = void 0;
    }
  }
  delete(key) {
    sizeChange = 0;
    let root = deleteIn(this.#root, key, this.#owner);
    this.#size += sizeChange;
    while (!root.leaf && root.children.length === 1) root = root.children[0];
    this.#root = root;
  }
  clear() {
    this.#root = EMPTY_ROOT;
    this.#size = 0;
  }
  /** Further changes to this edit copy again what the returned map can see. */
  finish() {
    this.#owner = {};
    return new SortedMap(this.#root, this.#size);
  }
};
var EMPTY_ROOT = { leaf: true, owner: void 0, keys: [], values: [] };
var EMPTY_MAP = new SortedMap(EMPTY_ROOT, 0);
var emptySortedMap = () => EMPTY_MAP;
function setIn(node, key, value, owner) {
  if (node.leaf) return setInLeaf(node, key, value, owner);
  const index = childIndex(node.keys, key);
  const child = setIn(node.children[index], key, value, owner);
  const right = splitOff;
  if (right === void 0 && child === node.children[index]) return node;
  const own = node.owner === owner ? node : { leaf: false, owner, keys: node.keys, children: node.children.slice() };
  own.children[index] = child;
  if (right === void 0) return own;
  splitOff = void 0;
  own.keys = own.keys.slice();
  own.keys.splice(index + 1, 0, right.keys[0]);
  own.children.splice(index + 1, 0, right);
  if (own.keys.length > ITEMS_MAX) {
    const half = own.keys.length >> 1;
    splitOff = {
      leaf: false,
      owner,
      keys: own.keys.splice(half),
      children: own.children.splice(half)
    };
  }
  return own;
}
function setInLeaf(node, key, value, owner) {
  const index = lowerBound(node.keys, key);
  const own = node.owner === owner ? node : { leaf: true, owner, keys: node.keys, values: node.values.slice() };
  if (node.keys[index] === key) {
    own.values[index] = value;
    return own;
  }
  sizeChange = 1;
  own.keys = own.keys.slice();
  own.keys.splice(index, 0, key);
  own.values.splice(index, 0, value);
  if (own.keys.length > ITEMS_MAX) {
    const half = index === own.keys.length - 1 ? index : own.keys.length >> 1;
    splitOff = { leaf: true, owner, keys: own.keys.splice(half), values: own.values.splice(half) };
  }
  return own;
}
function deleteIn(node, key, owner) {
  if (node.leaf) {
    const index2 = lowerBound(node.keys, key);
    if (node.keys[index2] !== key) return node;
    sizeChange = -1;
    const keys2 = node.keys.slice();
    const values = node.values.slice();
    keys2.splice(index2, 1);
    values.splice(index2, 1);
    return { leaf: true, owner, keys: keys2, values };
  }
  const index = childIndex(node.keys, key);
  const child = deleteIn(node.children[index], key, owner);
  if (child === node.children[index]) return node;
  const own = { leaf: false, owner, keys: node.keys.slice(), children: node.children.slice() };
  own.children[index] = child;
  if (child.keys.length < ITEMS_MIN) shrink(own, index, owner);
  return own;
}
function shrink(parent, index, owner) {
  const { children, keys: keys2 } = parent;
  if (children.length === 1) return;
  const left = index > 0 ? index - 1 : 0;
  const a = children[left];
  const b = children[left + 1];
  if (a.keys.length + b.keys.length > ITEMS_MAX) return;
  const bound = keys2[left + 1];
  if (a.leaf && b.leaf)
    children[left] = { leaf: true, owner, keys: a.keys.concat(b.keys), values: a.values.concat(b.values) };
  else if (!a.leaf && !b.leaf) {
    const merged = a.keys.concat(b.keys);
    merged[a.keys.length] = bound;
    children[left] = { leaf: false, owner, keys: merged, children: a.children.concat(b.children) };
  }
  children.splice(left + 1, 1);
  keys2.splice(left + 1, 1);
}
var isSurrogate = (unit) => unit >= 55296 && unit <= 57343;
function compareNames(a, b) {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x2 = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x2 === y) continue;
    return isSurrogate(x2) === isSurrogate(y) ? x2 - y : isSurrogate(x2) ? 1 : -1;
  }
  return a.length - b.length;
}

// store/kv/kv-state.ts
var KvState = class {
  /** Internal to store/kv. Maps by name; a map without keys is absent. */
  maps;
  constructor(maps) {
    this.maps = maps;
  }
};
var emptyKv = new KvState(emptySortedMap());
var applyWriteSet = (state, writeSet, seqno) => applyWriteSets(state, [{ seqno, writeSet }]);
function applyWriteSets(state, writeSets) {
  const changes = new KvChanges(state);
  for (let i = 0; i < writeSets.length; i++) {
    const { seqno, writeSet } = writeSets[i];
    for (let j = 0; j < writeSet.length; j++) applyMapWrites(changes, writeSet[j], seqno);
  }
  return changes.finish();
}
function applyMapWrites(changes, map, seqno) {
  const { writes, removes } = map;
  if (writes.length === 0 && removes.length === 0) return;
  const edit = changes.edit(map.name);
  for (let i = 0; i < writes.length; i++) {
    const { key, value } = writes[i];
    edit.set(toByteString(key), { value: new Uint8Array(value), version: seqno });
  }
  for (let i = 0; i < removes.length; i++) edit.delete(toByteString(removes[i]));
}
var KvChanges = class {
  #base;
  #edits = /* @__PURE__ */ new Map();
  constructor(base) {
    this.#base = base;
  }
  edit(name) {
    let edit = this.#edits.get(name);
    if (edit === void 0) {
      edit = (this.#base.maps.get(name) ?? emptySortedMap()).edit();
      this.#edits.set(name, edit);
    }
    return edit;
  }
  finish() {
    if (this.#edits.size === 0) return this.#base;
    const maps = this.#base.maps.edit();
    for (const [name, edit] of this.#edits) {
      const tree = edit.finish();
      if (tree.size === 0) maps.delete(name);
      else maps.set(name, tree);
    }
    return new KvState(maps.finish());
  }
};

// protocols/errors.ts
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
var ENTRY_BYTES_MAX = 700 * 1024;
var APPEND_BYTES_MAX = 256 * 1024;
var REPLICATION_WINDOW_BYTES_MAX = 16 * 1024 * 1024;
var LOG_TAIL_BYTES_MAX = 64 * 1024 * 1024;
var FRAMES_PER_KEY_MAX = 2 ** 31;
var CHANNEL_QUEUE_BYTES_MAX = 2 * 1024 * 1024;
invariant(FRAME_BYTES_MAX + 4096 <= NATS_PAYLOAD_BYTES_MAX, "a frame must fit one NATS message");
invariant(ENTRY_BYTES_MAX + 4096 <= FRAME_BYTES_MAX, "an entry must fit one frame");
invariant(
  REQUEST_BODY_BYTES_MAX + REQUEST_PATH_BYTES_MAX + 4096 <= ENTRY_BYTES_MAX,
  "a request must fit one frame and one entry"
);

// store/kv/transaction.ts
var MAP_NAME_LENGTH_MAX = 1024;
var WRITE_OVERHEAD_BYTES = 16;
var KvLimitError = class extends Error {
  name = "KvLimitError";
};
var TreeLayer = class {
  #tree;
  constructor(tree) {
    this.#tree = tree;
  }
  find(key) {
    return this.#tree.get(key)?.value;
  }
  version(key) {
    return this.#tree.get(key)?.version;
  }
  scan(from, to, visit) {
    return this.#tree.scan(from, to, (key, { value }) => visit(key, value));
  }
  get size() {
    return this.#tree.size;
  }
};
var EMPTY_LAYER = { find: () => void 0, version: () => void 0, scan: () => true, size: 0 };
var MapHandle = class {
  #base;
  #budget;
  /** Own writes; undefined means deleted. A deletion is recorded only for a key the base has. */
  #writes = /* @__PURE__ */ new Map();
  /** The base is hidden. */
  #cleared = false;
  /** This map's share of the budget. */
  #bytes = 0;
  constructor(base, budget) {
    this.#base = base;
    this.#budget = budget;
  }
  get(key) {
    this.#budget.touched = true;
    return this.find(toByteString(key));
  }
  has(key) {
    return this.get(key) !== void 0;
  }
  /** Of the state below all uncommitted writes: unaffected by the transaction's own. */
  versionOfPreviousWrite(key) {
    this.#budget.touched = true;
    return this.#base.version(toByteString(key));
  }
  /** Keys are those at the time of the call: writes made by `visit` do not show. */
  range(from, to, visit) {
    this.#budget.touched = true;
    const low = from === void 0 ? void 0 : toByteString(from);
    const high = to === void 0 ? void 0 : toByteString(to);
    this.scan(low, high, (key, value) => visit(fromByteString(key), value));
  }
  get size() {
    this.#budget.touched = true;
    let size = this.#cleared ? 0 : this.#base.size;
    for (const [key, value] of this.#writes) {
      const before = !this.#cleared && this.#base.find(key) !== void 0;
      size += (value === void 0 ? 0 : 1) - (before ? 1 : 0);
    }
    return size;
  }
  /** Copies the value. @throws KvLimitError when the transaction would no longer fit a ledger entry. */
  put(key, value) {
    this.#budget.touched = true;
    const name = toByteString(key);
    this.#charge(name, name.length + value.length + WRITE_OVERHEAD_BYTES);
    this.#writes.set(name, new Uint8Array(value));
  }
  /** True when the key was there. */
  delete(key) {
    this.#budget.touched = true;
    const name = toByteString(key);
    if (this.find(name) === void 0) return false;
    const inBase = !this.#cleared && this.#base.find(name) !== void 0;
    this.#charge(name, inBase ? name.length + WRITE_OVERHEAD_BYTES : 0);
    if (inBase) this.#writes.set(name, void 0);
    else this.#writes.delete(name);
    return true;
  }
  /** O(1) here; the ledger has no "clear", so the write set lists every key of the base as removed (CCF facts §3.4). */
  clear() {
    this.#budget.touched = true;
    this.#budget.bytes -= this.#bytes;
    this.#bytes = 0;
    this.#writes.clear();
    this.#cleared = true;
  }
  #charge(key, cost) {
    let delta = cost;
    if (this.#writes.has(key)) delta -= key.length + (this.#writes.get(key)?.length ?? 0) + WRITE_OVERHEAD_BYTES;
    if (delta > 0 && this.#budget.bytes + delta > this.#budget.bytesMax)
      throw new KvLimitError(`a transaction may write at most ${this.#budget.bytesMax} bytes`);
    this.#bytes += delta;
    this.#budget.bytes += delta;
  }
  /** Internal to store/kv, as all below. */
  find(key) {
    const own = this.#writes.get(key);
    if (own !== void 0) return own;
    return this.#cleared || this.#writes.has(key) ? void 0 : this.#base.find(key);
  }
  version(key) {
    return this.#base.version(key);
  }
  scan(from, to, visit) {
    if (this.#writes.size === 0) return this.#cleared || this.#base.scan(from, to, visit);
    const own = [...this.#writes].filter(
      ([key]) => (from === void 0 || key >= from) && (to === void 0 || key < to)
    );
    own.sort(([a], [b]) => a < b ? -1 : 1);
    let next = 0;
    const visitOwnBelow = (limit) => {
      for (; next < own.length; next++) {
        const [key, value] = own[next];
        if (limit !== void 0 && key >= limit) return true;
        if (value !== void 0 && visit(key, value) === false) return false;
      }
      return true;
    };
    const inBase = (key, value) => {
      if (!visitOwnBelow(key)) return false;
      if (own[next]?.[0] !== key) return visit(key, value) !== false;
      const mine = own[next++][1];
      return mine === void 0 || visit(key, mine) !== false;
    };
    if (!this.#cleared && !this.#base.scan(from, to, inBase)) return false;
    return visitOwnBelow(void 0);
  }
  get hasWrites() {
    return this.#writes.size > 0 || this.#cleared && this.#base.size > 0;
  }
  mapWrites(name) {
    const writes = [];
    const removes = [];
    const keys2 = [...this.#writes.keys()];
    if (keys2.length > 1) keys2.sort();
    for (const key of keys2) {
      const value = this.#writes.get(key);
      if (value !== void 0) writes.push({ key: fromByteString(key), value });
      else if (!this.#cleared) removes.push(fromByteString(key));
    }
    if (this.#cleared) this.#collectCleared(removes);
    return { name, writes, removes };
  }
  #collectCleared(removes) {
    let bytes = this.#budget.bytes;
    this.#base.scan(void 0, void 0, (key) => {
      if (this.#writes.has(key)) return;
      bytes += key.length + WRITE_OVERHEAD_BYTES;
      if (bytes > this.#budget.bytesMax)
        throw new KvLimitError(`clearing this map removes more than ${this.#budget.bytesMax} bytes of keys`);
      removes.push(fromByteString(key));
    });
  }
  /** Does to `target` what was done to this map. */
  replayInto(target) {
    if (this.#cleared) target.clear();
    for (const [key, value] of this.#writes) {
      if (value === void 0) target.delete(fromByteString(key));
      else target.put(fromByteString(key), value);
    }
  }
  /** Writes straight into an edit of the base's tree; values need no copy, `put` made one. */
  applyTo(edit, seqno) {
    if (this.#cleared) edit.clear();
    for (const [key, value] of this.#writes) {
      if (value === void 0) edit.delete(key);
      else edit.set(key, { value, version: seqno });
    }
  }
};
var LONE_SURROGATE = /\p{Surrogate}/u;
var Transaction = class _Transaction {
  #base;
  #budget;
  #maps = /* @__PURE__ */ new Map();
  /** `bytesMax`: keys and values it may write, with their length fields; by default what one ledger entry holds. */
  constructor(base, bytesMax = ENTRY_BYTES_MAX) {
    this.#base = base;
    this.#budget = { bytes: 0, bytesMax, touched: false };
  }
  /** The same handle for the same name. @throws KvLimitError for a name that cannot be written to the ledger. */
  map(name) {
    let handle = this.#maps.get(name);
    if (handle === void 0) {
      handle = new MapHandle(this.#layer(name), this.#budget);
      this.#maps.set(name, handle);
    }
    return handle;
  }
  #layer(name) {
    if (this.#base instanceof _Transaction) return this.#base.map(name);
    const tree = this.#base.maps.get(name);
    if (tree !== void 0) return new TreeLayer(tree);
    if (name.length === 0 || name.length > MAP_NAME_LENGTH_MAX || LONE_SURROGATE.test(name))
      throw new KvLimitError(`a map's name is 1 to ${MAP_NAME_LENGTH_MAX} characters of well-formed text`);
    return EMPTY_LAYER;
  }
  /** Whether it read or wrote anything; a response without that carries no transaction id (CCF facts §1). */
  get touched() {
    return this.#budget.touched;
  }
  /** Whether it changes anything: false means its write set is empty and nothing need be replicated. */
  get wrote() {
    for (const handle of this.#maps.values()) if (handle.hasWrites) return true;
    return false;
  }
  /**
   * What it changes relative to its base: maps and keys in ascending byte order, unchanged maps left out, cleared maps
   * as removals of every key. @throws KvLimitError when clearing would not fit an entry.
   */
  writeSet() {
    const result = [];
    for (const [name, handle] of this.#maps) {
      if (handle.hasWrites) result.push(handle.mapWrites(name));
    }
    if (result.length > 1) result.sort((a, b) => compareNames(a.name, b.name));
    return result;
  }
  /** Equal to applyWriteSet(base, writeSet(), seqno), without the way through it. Only on a transaction over a state. */
  apply(seqno) {
    invariant(this.#base instanceof KvState, "a nested transaction is promoted, not applied");
    const changes = new KvChanges(this.#base);
    for (const [name, handle] of this.#maps) if (handle.hasWrites) handle.applyTo(changes.edit(name), seqno);
    return changes.finish();
  }
  /** Hands a nested transaction's changes to the outer one, against whose budget they count. Not to be used afterwards. */
  promote() {
    invariant(this.#base instanceof _Transaction, "only a nested transaction is promoted");
    for (const [name, handle] of this.#maps) handle.replayInto(this.#base.map(name));
  }
};

// ../../tmp/kvbench3.ts
var N = 1e5;
var enc = new TextEncoder();
var keys = Array.from({ length: N }, (_, i) => enc.encode("key-" + String(i * 2654435761 >>> 0).padStart(12, "0")));
var val = new Uint8Array(20);
var s = emptyKv;
{
  const t = new Transaction(s, 1e9);
  const m = t.map("records");
  for (const k of keys) m.put(k, val);
  s = t.apply(1);
  for (let i = 0; i < 40; i++) {
    const u = new Transaction(s);
    u.map("public:ccf.gov." + i).put(keys[0], val);
    s = u.apply(2);
  }
}
var strs = keys.map(toByteString);
var x = 12345;
var rnd = () => {
  x = Math.imul(x, 1103515245) + 12345 >>> 0;
  return x % N;
};
var tests = [];
var s1 = s;
tests.push(["applyWriteSet", (i) => {
  s1 = applyWriteSet(s1, [{ name: "records", writes: [{ key: keys[rnd()], value: val }], removes: [] }], i);
}]);
var s2 = s;
tests.push(["tx put+apply", (i) => {
  const t = new Transaction(s2);
  t.map("records").put(keys[rnd()], val);
  s2 = t.apply(i);
}]);
var s3 = s;
tests.push(["tx get+put+apply", (i) => {
  const t = new Transaction(s3);
  const m = t.map("records");
  const k = keys[rnd()];
  m.get(k);
  m.put(k, val);
  s3 = t.apply(i);
}]);
var best = {};
for (let r = 0; r < 8; r++) for (const [k, f] of tests) {
  const n = 3e4;
  const c0 = process.cpuUsage();
  for (let i = 0; i < n; i++) f(i);
  const c = process.cpuUsage(c0);
  best[k] = Math.min(best[k] ?? 1e9, (c.user + c.system) / n);
}
for (const k in best) console.log(k, best[k].toFixed(2));
