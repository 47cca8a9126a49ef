// The program of a helper thread: reads parts of ledger files and verifies signatures, as it is told. Nothing of it is believed more than the
// thread that asks. The rule to remember: after each batch it looks at its messages, so that neither kind of work waits for the other for long.
import { parentPort } from 'node:worker_threads'
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { nativeCrypto as crypto } from '../../protocols/crypto/native.ts'
import { CorruptDataError, invariant } from '../../protocols/errors.ts'
import { StorageError } from '../../store/ledger/files.ts'
import { realFiles } from '../../store/ledger/real-files.ts'
import type { FromHelper, ReadPart, ToHelper } from './messages.ts'
import { type Batch, type PartEnd, readPart } from './part-reader.ts'
import { SignatureVerifier } from './signatures.ts'

/** Batches of a part that may be under way. */
const BATCHES_AHEAD = 8

interface Reading {
  readonly part: number
  readonly batches: Generator<Batch, PartEnd>
  readonly close: () => void
  allowed: number
}

invariant(parentPort !== null, 'a helper thread has a parent')
const parent = parentPort
const verifier = new SignatureVerifier(crypto)
/** One at a time. */
let reading: Reading | undefined
let isScheduled = false

parent.on('message', (message: ToHelper) => {
  switch (message.type) {
    case 'read':
      invariant(reading === undefined, 'one part at a time')
      reading = begin(message)
      break
    case 'more':
      if (reading?.part === message.part) reading.allowed++
      break
    case 'verify':
      tell({ type: 'verified', allHold: message.signatures.every((signature) => verifier.holds(signature)) })
      break
  }
  schedule()
})

function tell(message: FromHelper): void {
  const pieces = message.type === 'pieces' ? message.pieces : []
  parent.postMessage(
    message,
    pieces.map((piece) => (piece.kind === 'leaves' ? piece.leaves : piece.bytes).buffer as ArrayBuffer),
  )
}

function begin(part: ReadPart): Reading {
  const file = realFiles.open(part.path, 'read')
  const batches = readPart(crypto, file, part)
  return { part: part.part, batches, close: () => file.close(), allowed: BATCHES_AHEAD }
}

function schedule(): void {
  if (isScheduled || reading === undefined || reading.allowed === 0) return
  isScheduled = true
  setImmediate(work)
}

function work(): void {
  isScheduled = false
  if (reading === undefined || reading.allowed === 0) return
  const { part, batches } = reading
  try {
    const next = batches.next()
    if (next.done !== true) {
      reading.allowed--
      tell({ type: 'pieces', part, ...next.value })
    } else finish({ type: 'end', part, ...next.value })
  } catch (error) {
    const isFault = error instanceof CorruptDataError || error instanceof DecodeError || error instanceof StorageError
    if (!isFault) throw error
    finish({ type: 'fault', part })
  }
  schedule()
}

function finish(message: FromHelper): void {
  reading?.close()
  reading = undefined
  tell(message)
}
