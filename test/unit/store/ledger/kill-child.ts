// Child of kill.test.ts: appends and flushes for ever, and says on stdout what it was told is durable.
import { writeSync } from 'node:fs'
import { openLedger } from '../../../../store/ledger/ledger.ts'
import { entryOf } from '../entries.ts'

const [directory = '', view = '2', batch = '7'] = process.argv.slice(2)
const ledger = openLedger({ directory, chunkBytes: 3000, roots: 'unchecked' })
let seqno = ledger.lastSeqno

function turn(): void {
  const entries = []
  for (let i = 0; i < Number(batch); i++) {
    seqno++
    entries.push(entryOf(seqno, { view: Number(view), signature: seqno % 10 === 0, valueBytes: (seqno * 37) % 300 }))
  }
  const refused = ledger.append(entries)
  if (refused !== undefined) throw refused
  ledger.flush((error, durable) => {
    if (error !== undefined) throw error
    writeSync(1, `${durable}\n`)
    ledger.commit(durable - (durable % 10))
    turn()
  })
}

turn()
