// Goal: what the simulated service writes is a ledger that the offline verifier accepts entry by entry, on every node, across a change of
// primary; and every committed transaction has a receipt that verifies under the service certificate, with its claims.
import { describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../protocols/codec/bytes.ts'
import { decodeEntry, openPrivateDomain } from '../../protocols/ledger/entry.ts'
import { finishVerification, startVerification, verifyEntry } from '../../protocols/ledger/verify.ts'
import { verifyReceipt } from '../../protocols/receipts/verify-receipt.ts'
import { CALM } from '../../runtime/host/sim.ts'
import { statementBytes } from '../../runtime/samples/statement.ts'
import { realCrypto } from '../../runtime/models/service/crypto.ts'
import { LEDGER_SECRET } from '../../runtime/models/service/identities.ts'
import { SimService } from '../../runtime/models/service/service.ts'
import { sampleApps } from '../../runtime/samples/index.ts'

function storyOf(seed: number): SimService {
  const service = new SimService({ seed, nodes: 3, faults: CALM, apps: sampleApps, crypto: realCrypto })
  const first = service.leader()
  for (let i = 0; i < 5; i++) {
    service.request(first, [
      { target: 'POST /log/private', body: { id: i, msg: `secret ${i}` } },
      { target: 'POST /log/public', body: { id: i, msg: `open ${i}` } },
    ])
    service.sim.run(7)
  }
  service.sim.run(500)
  service.sim.crash(first)
  const second = service.leader()
  service.request(second, [{ target: 'POST /log/private', body: { id: 99, msg: 'after the crash' } }])
  service.sim.run(500)
  return service
}

describe('the ledger of a simulated service', () => {
  it('is accepted by the offline verifier on every node', () => {
    const service = storyOf(11)
    for (const nodeId of service.nodeIds) {
      const { records, committed } = service.sim.ledgerOf(nodeId)
      let verification = startVerification({
        crypto: realCrypto,
        serviceCertificatePem: service.setup.serviceCertificatePem,
      })
      for (const { seqno, bytes } of records)
        verification = verifyEntry(verification, bytes, { file: nodeId, offset: seqno })
      const summary = finishVerification(verification)
      expect(summary.serviceStatus).toBe('Open')
      expect(summary.lastSignedSeqno).toBeGreaterThanOrEqual(committed)
    }
  })

  it('keeps private values sealed and public ones in clear', () => {
    const service = storyOf(12)
    const { records } = service.sim.ledgerOf(service.nodeIds[1]!)
    const clear = records.map(({ bytes }) => Buffer.from(bytes).toString('latin1')).join('')
    expect(clear).toContain('open 3')
    expect(clear).not.toContain('secret 3')
    const opened = records.map(({ bytes }) =>
      JSON.stringify(
        openPrivateDomain(realCrypto, LEDGER_SECRET, decodeEntry(bytes))?.map(({ writes }) =>
          writes.map(({ value }) => fromUtf8(value)),
        ),
      ),
    )
    expect(opened.join('')).toContain('secret 3')
  })

  it('gives every committed transaction a receipt', () => {
    const service = storyOf(13)
    const leader = service.leader()
    const statement = { subject: 'npm:left-pad@1.0.0', payload: 'sha512-abc' }
    const posted = service.request(leader, [{ target: 'POST /statements', body: statement }])
    service.sim.run(1000)
    const claimed = service.responses(leader, posted)[0]!.txId!
    const { committed } = service.executorOf(leader).summary
    const { viewHistory } = service.executorOf(leader).summary
    for (let seqno = 1; seqno <= committed.seqno; seqno++) {
      const view = viewHistory.filter((start) => start <= seqno).length
      const token = service.request(leader, [{ target: `GET /app/receipt?transaction_id=${view}.${seqno}` }])
      service.sim.run(20)
      const [response] = service.responses(leader, token)
      expect(response?.status, `${view}.${seqno}: ${fromUtf8(response?.body ?? utf8('no answer'))}`).toBe(200)
      const receipt: unknown = JSON.parse(fromUtf8(response!.body))
      const isClaim = seqno === claimed.seqno
      const trust = {
        serviceCertificate: service.setup.serviceCertificatePem,
        ...(isClaim ? { claims: statementBytes(statement) } : {}),
      }
      expect(verifyReceipt(realCrypto, receipt, trust), `${view}.${seqno}`).toMatchObject({ ok: true })
      if (isClaim)
        expect(verifyReceipt(realCrypto, receipt, { ...trust, claims: utf8('another statement') })).toMatchObject({
          ok: false,
        })
    }
    const unknown = service.request(leader, [
      { target: 'GET /app/receipt?transaction_id=9.9999' },
      { target: `GET /app/receipt?transaction_id=7.3` },
      { target: 'GET /app/receipt?transaction_id=x' },
    ])
    service.sim.run(20)
    expect(
      service
        .responses(leader, unknown)
        .map(({ body }) => (JSON.parse(fromUtf8(body)) as { error: { code: string } }).error.code),
    ).toEqual(['TransactionPendingOrUnknown', 'TransactionInvalid', 'InvalidQueryParameterValue'])
  })

  it('answers the built-in endpoints as CCF does', () => {
    const service = storyOf(14)
    const leader = service.leader()
    const ask = (target: string): { status: number; body: Record<string, unknown> } => {
      const token = service.request(leader, [{ target }])
      service.sim.run(20)
      const { status, body } = service.responses(leader, token)[0]!
      return { status, body: JSON.parse(fromUtf8(body)) as Record<string, unknown> }
    }
    const { committed } = service.executorOf(leader).summary
    expect(ask('GET /app/commit').body).toEqual({ transaction_id: `${committed.view}.${committed.seqno}` })
    expect(ask('GET /app/commit?view_history=true').body['view_history']).toEqual([
      `2.1`,
      expect.stringMatching(/^3\.\d+$/),
    ])
    expect(ask('GET /app/tx?transaction_id=2.1').body).toEqual({ transaction_id: '2.1', status: 'Committed' })
    expect(ask('GET /node/network').body).toMatchObject({
      service_status: 'Open',
      primary_id: leader,
      current_view: committed.view,
      recovery_count: 0,
    })
    const nodes = ask('GET /node/network/nodes').body['nodes'] as {
      node_id: string
      status: string
      primary: boolean
    }[]
    expect(nodes.map(({ status }) => status)).toEqual(['Trusted', 'Trusted', 'Trusted'])
    expect(nodes.filter(({ primary }) => primary).map(({ node_id }) => node_id)).toEqual([leader])
    expect(ask('GET /node/consensus').body['details']).toMatchObject({
      leadership_state: 'Leader',
      membership_state: 'Active',
      primary_id: leader,
    })
    expect(ask('GET /node/state').body).toMatchObject({ node_id: leader, state: 'PartOfNetwork' })
    expect(ask('GET /node/version').body).toMatchObject({ ccf_version: 'concordat-sim', unsafe: false })
    expect(ask('GET /node/metrics').body).toEqual({ sessions: { active: 0, peak: 0, interfaces: {} } })
    expect(ask('GET /app/nothing')).toMatchObject({ status: 404, body: { error: { code: 'ResourceNotFound' } } })
    expect(ask('DELETE /app/commit')).toMatchObject({ status: 405, body: { error: { code: 'UnsupportedHttpVerb' } } })
  })
})
