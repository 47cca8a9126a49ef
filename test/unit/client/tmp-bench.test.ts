import { it } from 'vitest'
import { formatPem } from '../../../protocols/codec/pem.ts'
import { createInProcessBusHub } from '../../../runtime/bus/in-process.ts'
import { connect } from '../../../runtime/client/index.ts'
import { node, SERVICE, service } from '../actors-session/identities.ts'
import { FakeNode } from './fake-node.ts'
import { EMPTY } from '../../../protocols/codec/bytes.ts'
import { seqno, view } from '../../../protocols/ids.ts'
it('bench', async () => {
  const hub = createInProcessBusHub()
  let n = 0
  const fake = new FakeNode({ bus: hub.connect(), identity: node, handler: ({ id }) => ({ id, status: 200, contentType: 'none', body: EMPTY, txId: { view: view(2), seqno: seqno(++n) } }) })
  fake.executes.push = () => 0
  const client = await connect({ bus: hub.connect(), service: SERVICE, trust: formatPem('CERTIFICATE', service.der) })
  for (const W of [1, 64, 512]) {
    const N = W === 1 ? 3000 : 200000
    for (let round = 0; round < 2; round++) {
      const t = performance.now()
      const cpu = process.cpuUsage()
      await new Promise<void>((resolve) => {
        let done = 0, sent = 0
        const body = new Uint8Array(20)
        const one = () => { if (sent < N) { sent++; client.send('POST /x', body, () => { if (++done === N) resolve(); else one() }) } }
        for (let i = 0; i < W; i++) one()
      })
      const c = process.cpuUsage(cpu)
      fake.host.published.length = 0; fake.host.sent.length = 0
      fake.framesIn.length = 0
      console.log(W, ((performance.now() - t) * 1000 / N).toFixed(2), 'us wall/req', ((c.user + c.system) / N).toFixed(2), 'us cpu/req client+session+fake')
    }
  }
  await client.close()
}, 120000)
