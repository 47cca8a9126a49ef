// Child of directory-lock.test.ts: takes a lock and keeps it until killed.
import { lockDirectory } from '../../../store/directory-lock.ts'

const [directory = '', kind = 'file'] = process.argv.slice(2)
await lockDirectory(directory, kind === 'socket' ? 'socket' : 'file')
console.log('locked')
// The lock itself does not keep a process alive.
setInterval(() => undefined, 60_000)
