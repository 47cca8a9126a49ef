// The operations a NATS client may send, and what is wrong with a line that is none of them.
// Only names are looked at here; arguments are the parser's business.
// The rule to remember: a verdict depends on the bytes alone, never on how the network cut them into packets.

/** What a line asks for. `incomplete`: could still become an operation when more arrives. */
export const Op = {
  unknown: 0,
  incomplete: 1,
  pub: 2,
  hpub: 3,
  sub: 4,
  unsub: 5,
  ping: 6,
  pong: 7,
  connect: 8,
  /** +OK and INFO: harmless from a client. */
  ignored: 9,
  /** -ERR from a client: it gives up (nats-server closes too). */
  refused: 10,
} as const
export type Op = (typeof Op)[keyof typeof Op]

/** Why a connection is ended for what its client sent. */
export type Fault = 'unknownOperation' | 'parser' | 'controlLineTooLong' | 'payloadTooLarge' | 'authorization'

interface OpName {
  readonly op: Op
  /** Upper case; compared without regard to case. */
  readonly name: string
  /** A space or tab must follow. */
  readonly hasArguments: boolean
}

const NAMES: readonly OpName[] = [
  { op: Op.pub, name: 'PUB', hasArguments: true },
  { op: Op.hpub, name: 'HPUB', hasArguments: true },
  { op: Op.ping, name: 'PING', hasArguments: false },
  { op: Op.pong, name: 'PONG', hasArguments: false },
  { op: Op.sub, name: 'SUB', hasArguments: true },
  { op: Op.unsub, name: 'UNSUB', hasArguments: true },
  { op: Op.connect, name: 'CONNECT', hasArguments: true },
  { op: Op.ignored, name: '+OK', hasArguments: false },
  { op: Op.ignored, name: 'INFO', hasArguments: true },
  { op: Op.refused, name: '-ERR', hasArguments: false },
]

const byFirstByte: (readonly OpName[])[] = Array.from({ length: 256 }, (_, byte) =>
  NAMES.filter(({ name }) => upper(byte) === name.charCodeAt(0)),
)

function upper(byte: number): number {
  return byte >= 97 && byte <= 122 ? byte - 32 : byte
}

/** The operation that `bytes[start, end)` begins with. */
export function classify(bytes: Uint8Array, start: number, end: number): Op {
  if (start >= end) return Op.incomplete
  // by far the most frequent, and the most urgent
  if (bytes[start] === 80 && bytes[start + 1] === 85 && bytes[start + 2] === 66 && bytes[start + 3] === 32) {
    if (start + 3 < end) return Op.pub
  }
  for (const candidate of byFirstByte[bytes[start]!]!) {
    const verdict = compare(candidate, bytes, start, end)
    if (verdict !== Op.unknown) return verdict
  }
  return Op.unknown
}

function compare(candidate: OpName, bytes: Uint8Array, start: number, end: number): Op {
  const { name, op } = candidate
  for (let i = 1; i < name.length; i++) {
    if (start + i === end) return Op.incomplete
    if (upper(bytes[start + i]!) !== name.charCodeAt(i)) return Op.unknown
  }
  if (!candidate.hasArguments) return op
  if (start + name.length === end) return Op.incomplete
  const after = bytes[start + name.length]
  return after === 32 || after === 9 ? op : Op.unknown
}

/** What is wrong with a line of which `bytes[start, end)` holds no line feed yet; undefined if it may still become good. */
export function lineFault(
  bytes: Uint8Array,
  start: number,
  end: number,
  bytesMax: number,
  awaitingConnect: boolean,
): Fault | undefined {
  const op = classify(bytes, start, end)
  if (awaitingConnect && op !== Op.connect && !(op === Op.incomplete && upper(bytes[start]!) === 67))
    return 'authorization'
  if (op === Op.unknown) return 'unknownOperation'
  return end - start >= bytesMax ? 'controlLineTooLong' : undefined
}

/** The text of `-ERR` for each fault, as nats-server words it (where it says anything). */
export const FAULT_TEXT: Readonly<Record<Fault, string>> = {
  unknownOperation: 'Unknown Protocol Operation',
  parser: 'Parser Error',
  controlLineTooLong: 'maximum control line exceeded',
  payloadTooLarge: 'Maximum Payload Violation',
  authorization: 'Authorization Violation',
}
