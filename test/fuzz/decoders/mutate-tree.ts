// DER and CBOR as trees of elements: taken apart, one element changed, put together again with lengths that fit, so that the change is
// seen by whoever reads that element and not refused at the door. Not decoders: they follow what is there and give up quietly.
// The rule to remember: an outer length that does not fit is the business of mutate.ts.
import { concat } from '../../../protocols/codec/bytes.ts'
import type { Prng } from '../../../runtime/prng.ts'
import { pick } from './mutate.ts'

interface Element {
  /** DER: the tag. CBOR: major type and, for simple values, their bits. */
  readonly head: number
  readonly content: Uint8Array
  readonly children: readonly Element[] | undefined
}

export interface TreeFormat {
  readonly parse: (bytes: Uint8Array) => Element | undefined
  readonly write: (element: Element) => Uint8Array
  /** An element with one child, for nesting. */
  readonly wrap: (child: Element) => Element
  readonly leaves: readonly Element[]
}

const NONE = new Uint8Array(0)
const leaf = (head: number, ...content: number[]): Element => ({
  head,
  content: Uint8Array.from(content),
  children: undefined,
})

interface Parsed {
  readonly element: Element
  readonly end: number
}

const isConstructed = (tag: number): boolean => (tag & 0x20) !== 0
const DEPTH_MAX = 24

function parseDer(bytes: Uint8Array, at: number, depth: number): Parsed | undefined {
  const head = bytes[at]
  const first = bytes[at + 1]
  if (head === undefined || first === undefined || depth > DEPTH_MAX) return undefined
  const octets = first < 0x80 ? 0 : first & 0x7f
  if (octets > 3) return undefined
  let length = octets === 0 ? first : 0
  for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0)
  const start = at + 2 + octets
  const end = start + length
  if (end > bytes.length) return undefined
  const content = bytes.subarray(start, end)
  return { element: { head, content, children: childrenOf(head, content, depth) }, end }
}

/** Also of octet and bit strings that hold DER, as extensions, keys and signatures do. */
function childrenOf(head: number, content: Uint8Array, depth: number): Element[] | undefined {
  const holds = isConstructed(head) || (head === 0x04 && content.length > 1)
  if (!holds) return undefined
  const children: Element[] = []
  for (let at = 0; at < content.length;) {
    const child = parseDer(content, at, depth + 1)
    if (child === undefined) return undefined
    children.push(child.element)
    at = child.end
  }
  return children
}

function derLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  if (length < 0x100) return Uint8Array.of(0x81, length)
  if (length < 0x10000) return Uint8Array.of(0x82, length >>> 8, length & 0xff)
  return Uint8Array.of(0x83, length >>> 16, (length >>> 8) & 0xff, length & 0xff)
}

function writeDer({ head, content, children }: Element): Uint8Array {
  const body = children === undefined ? content : concat(...children.map(writeDer))
  return concat(Uint8Array.of(head), derLength(body.length), body)
}

export const DER: TreeFormat = {
  parse: (bytes) => parseDer(bytes, 0, 0)?.element,
  write: writeDer,
  wrap: (child) => ({ head: 0x30, content: NONE, children: [child] }),
  leaves: [
    leaf(0x01, 0xff),
    leaf(0x02),
    leaf(0x02, 0x80),
    leaf(0x02, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
    leaf(0x03, 0x00),
    leaf(0x03, 0x08, 0xff),
    leaf(0x05),
    leaf(0x06, ...Array<number>(64).fill(0xff), 0x7f),
    leaf(0x0c, 0xed, 0xa0, 0x80),
    leaf(0x17, ...[...'991332256199Z'].map((c) => c.charCodeAt(0))),
    leaf(0x18, ...[...'00000101000000Z'].map((c) => c.charCodeAt(0))),
    leaf(0x30),
  ],
}

function parseCbor(bytes: Uint8Array, at: number, depth: number): Parsed | undefined {
  const first = bytes[at]
  if (first === undefined || depth > DEPTH_MAX) return undefined
  const [major, info] = [first >>> 5, first & 31]
  if (info > 27) return undefined
  const width = info < 24 ? 0 : 1 << (info - 24)
  let value = info < 24 ? info : 0
  for (let i = 1; i <= width; i++) value = value * 256 + (bytes[at + i] ?? 0)
  const start = at + 1 + width
  if (major === 2 || major === 3) {
    const content = bytes.subarray(start, start + value)
    return start + value > bytes.length
      ? undefined
      : { element: { head: major << 5, content, children: undefined }, end: start + value }
  }
  if (major < 2 || major === 7)
    return { element: { head: first, content: bytes.subarray(at + 1, start), children: undefined }, end: start }
  const count = major === 4 ? value : major === 5 ? 2 * value : 1
  const children: Element[] = []
  let end = start
  for (let i = 0; i < count; i++) {
    const child = parseCbor(bytes, end, depth + 1)
    if (child === undefined) return undefined
    children.push(child.element)
    end = child.end
  }
  return { element: { head: major === 6 ? first : major << 5, content: NONE, children }, end }
}

function cborHead(major: number, value: number): Uint8Array {
  if (value < 24) return Uint8Array.of(major | value)
  if (value < 0x100) return Uint8Array.of(major | 24, value)
  if (value < 0x10000) return Uint8Array.of(major | 25, value >>> 8, value & 0xff)
  return Uint8Array.of(major | 26, value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}

function writeCbor({ head, content, children }: Element): Uint8Array {
  const major = head >>> 5
  if (major === 2 || major === 3) return concat(cborHead(head, content.length), content)
  if (children === undefined) return concat(Uint8Array.of(head), content)
  const items = children.map(writeCbor)
  if (major === 6) return concat(Uint8Array.of(head), ...items)
  if (major === 4) return concat(cborHead(head, items.length), ...items)
  return concat(cborHead(head, items.length >>> 1), ...items.slice(0, items.length & ~1))
}

export const CBOR: TreeFormat = {
  parse: (bytes) => parseCbor(bytes, 0, 0)?.element,
  write: writeCbor,
  wrap: (child) => ({ head: 0x80, content: NONE, children: [child] }),
  leaves: [
    leaf(0x00),
    leaf(0x20),
    // Integers of all widths, spelled longer than needed, and beyond 2^53.
    leaf(0x18, 0x01),
    leaf(0x1b, 0, 0, 0, 0, 0, 0, 0, 1),
    leaf(0x1b, 255, 255, 255, 255, 255, 255, 255, 255),
    leaf(0x3b, 255, 255, 255, 255, 255, 255, 255, 255),
    // Lengths that lie.
    leaf(0x5b, 255, 255, 255, 255, 255, 255, 255, 255),
    leaf(0x9a, 255, 255, 255, 255),
    leaf(0xba, 255, 255, 255, 255),
    leaf(0x9b, 0, 0x20, 0, 0, 0, 0, 0, 0),
    // Of unstated length, undefined, NaN, null, tags.
    leaf(0x9f, 0xff),
    leaf(0xbf, 0xff),
    leaf(0xf7),
    leaf(0xf9, 0x7e, 0x00),
    leaf(0xf6),
    leaf(0xc2, 0x41, 0x01),
    leaf(0xd2, 0x80),
    leaf(0x63, 0xed, 0xa0, 0x80),
  ],
}

/** Paths to all elements, the root's first. */
function pathsOf(root: Element): (readonly number[])[] {
  const paths: (readonly number[])[] = [[]]
  const visit = (element: Element, path: readonly number[]): void => {
    element.children?.forEach((child, i) => {
      paths.push([...path, i])
      visit(child, [...path, i])
    })
  }
  visit(root, [])
  return paths
}

const at = (root: Element, path: readonly number[]): Element => path.reduce((element, i) => element.children![i]!, root)

/** The tree with the element at `path` replaced by any number of others. */
function replaced(root: Element, path: readonly number[], by: readonly Element[]): Element {
  const [i, ...rest] = path
  if (i === undefined) return by[0] ?? root
  const children = root.children!
  const middle = rest.length === 0 ? by : [replaced(children[i]!, rest, by)]
  return { ...root, children: [...children.slice(0, i), ...middle, ...children.slice(i + 1)] }
}

const DEPTHS = [2, 8, 40, 400, 1200]
const COPIES = [2, 40, 300]

/** One change of one element; undefined when `bytes` are no tree of the format. */
export function mutateTree(
  format: TreeFormat,
  random: Prng,
  bytes: Uint8Array,
  other: Uint8Array,
): Uint8Array | undefined {
  const root = format.parse(bytes)
  if (root === undefined) return undefined
  const path = pick(random, pathsOf(root))
  const target = at(root, path)
  const donor = format.parse(other) ?? root
  const graft = at(donor, pick(random, pathsOf(donor)))
  switch (random.integer(0, 6)) {
    case 0:
      return format.write(replaced(root, path, []))
    case 1:
      return format.write(replaced(root, path, Array<Element>(pick(random, COPIES)).fill(target)))
    case 2: {
      let nested = target
      for (let depth = pick(random, DEPTHS); depth > 0; depth--) nested = format.wrap(nested)
      return format.write(replaced(root, path, [nested]))
    }
    case 3:
      return format.write(replaced(root, path, [graft]))
    case 4:
      return format.write(replaced(root, path, [target, pick(random, format.leaves)]))
    case 5:
      return format.write(
        replaced(root, path, [{ ...target, children: undefined, content: random.bytes(random.integer(0, 40)) }]),
      )
    default:
      return format.write(replaced(root, path, [pick(random, format.leaves)]))
  }
}
