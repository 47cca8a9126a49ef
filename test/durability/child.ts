// The program of every child process of the durability runs; the first argument says which.
import { checkIndexes } from './index-child.ts'
import { work } from './worker.ts'

const [mode, ...args] = process.argv.slice(2)
process.exitCode = mode === 'work' ? await work(args) : await checkIndexes(args)
