// What `npm run durability` runs.
import { runBundled } from '../support/run-bundled.mjs'

await runBundled('durability')
