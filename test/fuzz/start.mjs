// What `npm run fuzz` runs.
import { runBundled } from '../support/run-bundled.mjs'

await runBundled('fuzz')
