// Child of readonly.test.ts, run without the rights of the directory's owner: tries to use a ledger it may not write.
import { inspectLedger } from '../../../../store/ledger/inspect.ts'
import { openLedger } from '../../../../store/ledger/ledger.ts'
import { entryOf } from '../entries.ts'

const [directory = '', missing = ''] = process.argv.slice(2)

function attempt(action: () => unknown): string {
  try {
    return String(action())
  } catch (error) {
    const { name, message } = error as Error
    return `${name}: ${message}`
  }
}

const report = {
  inspected: attempt(() => inspectLedger(directory).lastSignedSeqno),
  opened: attempt(() => openLedger({ directory, roots: 'unchecked' }).append([entryOf(6)])),
  created: attempt(() => openLedger({ directory: missing }).lastSeqno),
}
console.log(JSON.stringify(report))
