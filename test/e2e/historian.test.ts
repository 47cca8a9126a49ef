// Goal: on a real service, the past is told by every node, under load, through a failover, and by a node whose disk lies about one entry: that
// one is named, and everything else is still answered.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { verifyReceipt, type Client } from '../../runtime/client/index.ts'
import type { LocalService } from '../../runtime/local-service.ts'
import { connectClient, until, untilPrimary, withService } from '../support/local-service.ts'
import { Load } from './load.ts'

interface Item {
  readonly transaction_id: string
  readonly msg: string | null
}

/** All values of a public message, page by page. */
async function historyOf(client: Client, id: number): Promise<Item[]> {
  const items: Item[] = []
  for (let from: number | undefined = 1; from !== undefined;) {
    const response = await client.request(`GET /log/public/history?id=${id}&from=${from}&limit=3`)
    expect(response.status, JSON.stringify(response.body)).toBe(200)
    const page = response.body as { readonly items: readonly Item[]; readonly next?: number }
    items.push(...page.items)
    from = page.next
  }
  return items
}

const clientOf = (service: LocalService, nodeId: string): Promise<Client> =>
  until('a session on that node', async () => {
    const client = await connectClient(service, { prefer: 'any' })
    if (client.status().nodeId === nodeId) return client
    await client.close()
    return undefined
  })

async function write(client: Client, id: number, count: number): Promise<Item[]> {
  const written: Item[] = []
  for (let i = 0; i < count; i++) {
    const msg = `value ${i} of message ${id}`
    const response = await client.request('POST /log/public', { id, msg }, { wait: 'committed' })
    expect(response.status).toBe(200)
    written.push({ transaction_id: response.txId!, msg })
  }
  return written
}

describe('the past', () => {
  it('is told by every node, under load and after a failover, with proofs', () =>
    withService({}, async (service) => {
      const { primary, view } = await untilPrimary(service)
      const client = await connectClient(service)
      const written = await write(client, 7, 8)
      const load = new Load().start([client], 8)
      await until('some load', () => load.committed.length > 50)
      const backup = service.running.find(({ nodeId }) => nodeId !== primary)!.nodeId
      for (const nodeId of [primary, backup]) {
        const reader = await clientOf(service, nodeId)
        expect(await historyOf(reader, 7)).toEqual(written)
        await reader.close()
      }
      service.kill(primary)
      await untilPrimary(service, (now) => now.primary !== primary && now.view > view)
      const reader = await clientOf(service, backup)
      expect(await historyOf(reader, 7)).toEqual(written)
      for (const { transaction_id: id, msg } of written) {
        const then = await reader.request(`GET /log/public/historical?id=7&transaction_id=${id}`)
        expect(then.body).toMatchObject({ msg, seqno: Number(id.split('.')[1]) })
        const proven = await reader.request(`GET /log/public/historical_receipt?id=7&transaction_id=${id}`)
        const { receipt } = proven.body as { readonly receipt: unknown }
        expect(verifyReceipt(receipt, { serviceCertificate: service.serviceCertificatePem })).toMatchObject({
          ok: true,
        })
      }
      await load.stop()
      expect(load.defects).toEqual([])
      await reader.close()
      await client.close()
    }))

  it('is not waited for by those who say so', () =>
    withService({}, async (service) => {
      const client = await connectClient(service)
      const [first] = (await write(client, 1, 1)) as [Item]
      const path = `GET /app/receipt?transaction_id=${first.transaction_id}&wait=false`
      const early = await client.request(path)
      expect([early.status, early.body]).toEqual([202, { retry_after_seconds: 1 }])
      const answer = await until('the receipt', async () => {
        const again = await client.request(path)
        return again.status === 202 ? undefined : again
      })
      expect(verifyReceipt(answer.body, { serviceCertificate: service.serviceCertificatePem })).toMatchObject({
        ok: true,
      })
      await client.close()
    }))

  it('is named corrupt where a byte on disk was changed, and nowhere else', () =>
    withService({}, async (service) => {
      const { primary } = await untilPrimary(service)
      const writer = await connectClient(service)
      const written = await write(writer, 3, 4)
      const liar = service.running.find(({ nodeId }) => nodeId !== primary)!
      const reader = await clientOf(service, liar.nodeId)
      const bad = written[2]!
      changeByte(liar.ledgerDirectory, bad.msg!)
      const ask = (client: Client, { transaction_id: id }: Item) =>
        client.request(`GET /log/public/historical_receipt?id=3&transaction_id=${id}`)
      const refused = await ask(reader, bad)
      expect(refused.status).toBe(500)
      expect(refused.error!.message).toContain(
        `Ledger entry ${bad.transaction_id.split('.')[1]!} of this node is corrupt`,
      )
      for (const good of [written[0]!, written[1]!, written[3]!]) expect((await ask(reader, good)).status).toBe(200)
      expect((await ask(writer, bad)).status).toBe(200)
      await reader.close()
      await writer.close()
    }))
})

/** Changes one byte of a public value in a ledger file of a running node. */
function changeByte(directory: string, value: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const bytes = readFileSync(path)
    const at = bytes.indexOf(value)
    if (at < 0) continue
    bytes[at] = bytes[at]! ^ 1
    writeFileSync(path, bytes)
    return
  }
  throw new Error('no ledger file holds that value')
}
