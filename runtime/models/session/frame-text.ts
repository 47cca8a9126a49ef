// What a frame of the modelled session says: for the host, which must know whether a client was told something, and for people.
import { isSealedFrame, openFrame, startReceiving } from '../../../protocols/session/frame.ts'
import { decodeNodeBatch } from '../../../protocols/session/messages-decode.ts'
import type { NodeBatch } from '../../../protocols/session/messages.ts'
import { answerKey, commitKey } from './executor-side.ts'
import { crypto } from './parties.ts'

/** A frame sealed with `key` by the node; undefined for anything else. */
export function readFrame(bytes: Uint8Array, key: Uint8Array): NodeBatch | undefined {
  if (!isSealedFrame(bytes)) return undefined
  const opened = openFrame(crypto, startReceiving(key), bytes)
  return 'refused' in opened ? undefined : decodeNodeBatch(opened.plaintext)
}

/** `1 200 2.1 /r1, commit 2.1`. */
export const textOf = ({ responses, notices }: NodeBatch): string =>
  [
    ...responses.map(answerKey),
    ...notices.map((notice) =>
      notice.type === 'closed'
        ? `closed ${notice.code}`
        : notice.type === 'pong'
          ? `pong ${notice.id}`
          : commitKey(notice),
    ),
  ].join(', ')
