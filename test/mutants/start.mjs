// What `npm run mutants` runs.
import { runBundled } from '../support/run-bundled.mjs'

await runBundled('mutants')
