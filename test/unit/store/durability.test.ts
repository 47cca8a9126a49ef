// Goal: the short form of `npm run durability`: whatever is killed, fails or rots, nothing that was promised is lost and nothing wrong is served unsaid.
// Needs strace. Whole nodes are killed in test/e2e/storage.test.ts; a file system is filled in ledger/faults.test.ts.
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bitRot } from '../../durability/bit-rot.ts'
import { allCrashStates, drawnCrashStates } from '../../durability/crash-states.ts'
import { failedOperations } from '../../durability/failed-operations.ts'
import type { Figures } from '../../durability/figures.ts'
import { indexRot } from '../../durability/index-rot.ts'
import { failedCalls } from '../../durability/kernel-faults.ts'
import { storeKills } from '../../durability/kills.ts'
import { bundle } from './bundle.ts'

let child: string
beforeAll(async () => {
  child = await bundle('test/durability/child.ts', 'durability-child')
})
afterAll(() => rmSync(child))

function expectNoLoss({ losses, tried }: Figures, atLeast: number): void {
  expect(losses).toEqual([])
  expect(tried).toBeGreaterThanOrEqual(atLeast)
}

describe('no loss', { timeout: 240_000 }, () => {
  it('after power failures, drawn', () => expectNoLoss(drawnCrashStates(5, 1500), 1500))
  it('after power failures, all there are', () => expectNoLoss(allCrashStates(3, 2, 60), 500))
  it('when any operation fails', () => expectNoLoss(failedOperations(4, 1), 100))
  it('when bytes of ledger files decay', () => expectNoLoss(bitRot(2, 250), 250))
  it('when bytes of the index decay', async () => expectNoLoss(await indexRot(child, 2, 10), 10))
  it('when processes are killed', async () => expectNoLoss(await storeKills(child, 2, 6), 6))
  it('when system calls fail', async () => expectNoLoss(await failedCalls(child, 3, 7), 7))
})
