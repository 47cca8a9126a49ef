// Goal: what a backup keeps for good does not keep the frames that entries came in: a small value must not hold the megabyte it arrived with.
import { expect, it } from 'vitest'
import { concat } from '../../../protocols/codec/bytes.ts'
import type { LogRecord } from '../../../protocols/consensus/log.ts'
import { Executor, openService } from './world.ts'

/** The same records, as a decoded frame has them: views on one piece of memory. */
function inOneFrame(records: readonly LogRecord[]): { readonly frame: ArrayBufferLike; readonly records: LogRecord[] } {
  const all = concat(...records.map(({ bytes }) => bytes))
  let at = 0
  const views = records.map((record) => ({ ...record, bytes: all.subarray(at, (at += record.bytes.length)) }))
  return { frame: all.buffer, records: views }
}

it('keeps no memory of frames in the store of a backup', () => {
  const { primary, service } = openService(3)
  const backup = new Executor(service, 1)
  const { frame, records } = inOneFrame(primary.log)
  backup.post({ type: 'appended', records })
  backup.post({ type: 'committed', summary: primary.summary('Follower', primary.nodeId) })
  let values = 0
  backup.s.kv.maps.scan(undefined, undefined, (_, { tree }) => {
    tree.scan(undefined, undefined, (_key, { value }) => {
      values++
      expect(value.buffer).not.toBe(frame)
    })
  })
  expect(values).toBeGreaterThan(10)
})
