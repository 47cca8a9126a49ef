// How deeply a CBOR item is nested, found without recursion and before it is decoded: a decoder that runs out of stack does so at a depth
// that depends on who called it, and then two nodes would disagree about one item.
// Not a decoder: of what is not well-formed it says nothing. The rule to remember: bounded by the input, whatever its counts claim.

const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const TAG = 6
/** The last kind of argument that has a value; beyond are reserved ones and indefinite lengths. */
const EIGHT_BYTES = 27

/** The argument of the item's head: its value and where the head ends; undefined when it has none or is cut short. */
function argument(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } | undefined {
  const info = bytes[at]! & 31
  if (info < 24) return { value: info, end: at + 1 }
  if (info > EIGHT_BYTES) return undefined
  const end = at + 1 + (1 << (info - 24))
  if (end > bytes.length) return undefined
  let value = 0
  for (let i = at + 1; i < end; i++) value = value * 256 + bytes[i]!
  return { value, end }
}

/** True when arrays, maps and tags are nested deeper than `depthMax` before the item ends or stops being well-formed. */
export function isCborDeeperThan(bytes: Uint8Array, depthMax: number): boolean {
  /** Items still to come at each open level. */
  const open: number[] = []
  for (let at = 0; at < bytes.length;) {
    const major = bytes[at]! >>> 5
    const head = argument(bytes, at)
    if (head === undefined) return false
    at = head.end
    if (major === BYTES || major === TEXT) at += head.value
    const items = major === ARRAY ? head.value : major === MAP ? 2 * head.value : major === TAG ? 1 : 0
    if (open.length > 0) open[open.length - 1]!--
    if (items > 0 && open.push(items) > depthMax) return true
    while (open.at(-1) === 0) open.pop()
    if (open.length === 0) return false
  }
  return false
}
