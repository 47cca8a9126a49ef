// Goal: whoever dies, whenever: nothing that was reported as committed is lost, clients are told clearly what happened to their requests,
// and they find the service again by themselves. Also when the broker itself goes away and comes back.
import { describe, expect, it } from 'vitest'
import { startBroker } from '../../runtime/bus/broker/broker.ts'
import { ConcordatError, formatTxId, verifyReceipt, type Client } from '../../runtime/client/index.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import { checkLedgers } from '../../runtime/demo/ledgers.ts'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { connectClient, pause, until, untilExited, untilPrimary, withService } from '../support/local-service.ts'
import { CLEAR_CODES, Load, missing } from './load.ts'

const connectAll = (service: LocalService, count: number): Promise<Client[]> =>
  Promise.all(Array.from({ length: count }, () => connectClient(service, { requestTimeoutMs: 5000 })))

const closeAll = (clients: readonly Client[]): Promise<unknown> => Promise.all(clients.map((client) => client.close()))

/** Every ledger holds all that was committed, proven and the same on each. */
function expectLedgersToHold(service: LocalService, directories: readonly string[], load: Load): void {
  const outcomes = checkLedgers(directories, {
    crypto: nativeCrypto,
    serviceCertificatePem: service.serviceCertificatePem,
    committedSeqno: Math.max(...load.committed.map(({ txId }) => txId.seqno)),
    leaves: new Map(),
  })
  expect(outcomes.map(({ problem }) => problem)).toEqual(directories.map(() => undefined))
}

describe('SIGKILL', () => {
  it('of the primary, then of a backup under load: all that was committed stays; without a majority writes are refused', () =>
    withService({}, async (service, test) => {
      const clients = await connectAll(service, 3)
      const load = new Load().start(clients, 8)
      const before = await untilPrimary(service)
      await until('some load', () => load.committed.length > 100)
      service.kill(before.primary)
      const after = await untilPrimary(service, ({ primary, view }) => primary !== before.primary && view > before.view)
      const committedBefore = load.committed.length
      await until('commits by the new primary', () =>
        load.committed.slice(committedBefore).some(({ txId }) => txId.view >= after.view),
      )

      const backup = service.running.find(({ nodeId }) => nodeId !== after.primary)!
      service.kill(backup.nodeId)
      await untilExited(service, backup.nodeId)
      await load.stop()
      expect(load.defects).toEqual([])
      expect(CLEAR_CODES).toEqual(expect.arrayContaining([...load.failures.keys()]))
      expect(service.running).toHaveLength(1)

      // One of three: whatever is asked now ends, with a reason, within the client's time.
      const askedAt = performance.now()
      const outcomes = await Promise.allSettled(
        clients.map((client, i) =>
          client.request('POST /log/private', { id: 1_000_000 + i, msg: 'too late' }, { wait: 'committed' }),
        ),
      )
      expect(performance.now() - askedAt).toBeLessThan(12_000)
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') expect(CLEAR_CODES).toContain(outcome.value.error?.code)
        else {
          expect(outcome.reason).toBeInstanceOf(ConcordatError)
          expect(CLEAR_CODES).toContain((outcome.reason as ConcordatError).code)
        }
      }
      const reader = await connectClient(service, { prefer: 'any' })
      expect(await missing(reader, load.committed)).toEqual([])
      // Nor are proofs: the last node gives receipts of what was committed before it was alone.
      for (const { txId } of load.committed.slice(-20)) {
        const receipt = await reader.request(`GET /app/receipt?transaction_id=${formatTxId(txId)}`)
        expect(verifyReceipt(receipt.body, { serviceCertificate: service.serviceCertificatePem })).toMatchObject({
          ok: true,
          txId,
        })
      }
      await reader.close()
      await closeAll(clients)
      const survivors = service.running.map(({ ledgerDirectory }) => ledgerDirectory)
      await test.stop()
      expectLedgersToHold(service, survivors, load)
      expect(test.notices).toEqual([])
    }))

  it('of the primary ends a session on a backup with SessionConsistencyLost, and the next request opens a new one', () =>
    withService({}, async (service) => {
      const { primary, view } = await untilPrimary(service)
      const client = await until('a session on a backup', async () => {
        // A busy machine must not make the client give its node up: then there would be no session to end.
        const candidate = await connectClient(service, { prefer: 'any', retry: 'never', lostAfterMs: 60_000 })
        if (candidate.status().nodeId !== primary) return candidate
        await candidate.close()
        return undefined
      })
      const lost: ConcordatError[] = []
      client.onSessionLost((error) => lost.push(error))
      await client.request('POST /log/private', { id: 1, msg: 'before' }, { wait: 'committed' })
      service.kill(primary)
      await untilPrimary(service, (now) => now.view > view && now.primary !== primary)
      // The session lives on a node that lives; its view does not. (A read would be dropped as well.)
      const answers: string[] = []
      const outcome = await until('an answer of the new view', async () => {
        const attempt = await client
          .request('POST /log/private', { id: 2, msg: 'after' })
          .catch((error: unknown) => error)
        const code = attempt instanceof ConcordatError ? attempt.code : `status ${(attempt as Response).status}`
        answers.push(code)
        return code === 'SessionConsistencyLost' ? (attempt as ConcordatError) : undefined
      }).catch((error: unknown) => {
        throw new Error(
          `answers were ${answers.slice(0, 5).join(', ')} …; sessions lost: ${lost.map(({ code }) => code).join(', ')}`,
          { cause: error },
        )
      })
      expect(outcome.outcomeUnknown).toBe(false)
      const again = await client.request('POST /log/private', { id: 3, msg: 'again' }, { wait: 'committed' })
      expect(again.status).toBe(200)
      expect((await client.request('GET /log/private?id=1')).body).toEqual({ id: 1, msg: 'before' })
      expect(client.status().sessionsOpened).toBeGreaterThan(1)
      expect(lost.map(({ code }) => code)).toContain('SessionConsistencyLost')
      await client.close()
    }))
})

describe('a restart of the broker', () => {
  it('under load: nodes and clients find each other again, and nothing committed is lost', async () => {
    let broker = await startBroker()
    const { port } = broker
    try {
      await withService({ nats: broker.url }, async (service, test) => {
        const clients = await connectAll(service, 3)
        const load = new Load().start(clients, 8)
        for (const round of [1, 2]) {
          const enough = load.committed.length + 100
          await until(`load in round ${round}`, () => load.committed.length > enough)
          await broker.close()
          if (round === 2) await pause(600) // longer than the election timeout: every node has lost its primary
          broker = await startBroker({ port })
        }
        const enough = load.committed.length + 100
        await until('load after the last restart', () => load.committed.length > enough, 30_000)
        await load.stop()
        expect(load.defects).toEqual([])
        expect(CLEAR_CODES).toEqual(expect.arrayContaining([...load.failures.keys()]))
        expect(test.notices).toEqual([])
        expect(service.running).toHaveLength(3)
        expect(await missing(clients[0]!, load.committed)).toEqual([])
        await closeAll(clients)
        await test.stop()
        expectLedgersToHold(
          service,
          service.nodes.map(({ ledgerDirectory }) => ledgerDirectory),
          load,
        )
        expect(test.notices).toEqual([])
      })
    } finally {
      await broker.close()
    }
  })
})
