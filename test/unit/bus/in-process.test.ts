// Goal: what the in-process bus promises beyond the contract: the same choice every time, bounded queues, no starvation.
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../protocols/codec/bytes.ts'
import { createInProcessBusHub } from '../../../runtime/bus/in-process.ts'
import { recorder, settle } from './contract.ts'

describe('the in-process bus', () => {
  it('serves the members of a queue group in turn', async () => {
    const hub = createInProcessBusHub()
    const bus = hub.connect()
    const members = [recorder(), recorder(), recorder()]
    for (const member of members) bus.subscribe('w.*', member.onMessage, { queue: 'q' })
    for (let i = 0; i < 9; i++) bus.publish(`w.${i}`, utf8(String(i)))
    await settle(bus)
    expect(members.map((member) => member.texts())).toEqual([
      ['0', '3', '6'],
      ['1', '4', '7'],
      ['2', '5', '8'],
    ])
  })

  it('keeps one order for messages of several publishers', async () => {
    const hub = createInProcessBusHub()
    const [a, b, c] = [hub.connect(), hub.connect(), hub.connect()]
    const r = recorder()
    c.subscribe('>', r.onMessage)
    for (let i = 0; i < 20; i++) (i % 3 === 0 ? a : b).publish(`s.${i}`, utf8(String(i)))
    await settle(a)
    expect(r.texts()).toEqual(Array.from({ length: 20 }, (_, i) => String(i)))
  })

  it('drops and counts what its queue cannot hold', async () => {
    const hub = createInProcessBusHub({ deliveriesMax: 10 })
    const bus = hub.connect()
    const r = recorder()
    bus.subscribe('s', r.onMessage)
    for (let i = 0; i < 15; i++) bus.publish('s', utf8(String(i)))
    expect(hub.stats()).toEqual({ waiting: 10, dropped: 5 })
    await settle(bus)
    expect(r.messages).toHaveLength(10)
    expect(hub.stats()).toEqual({ waiting: 0, dropped: 5 })
  })

  it('lets the event loop breathe while two parties answer each other without end', async () => {
    const hub = createInProcessBusHub()
    const bus = hub.connect()
    let hops = 0
    const subscription = bus.subscribe('ball', () => {
      hops++
      bus.publish('ball', utf8('x'))
    })
    bus.publish('ball', utf8('x'))
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(hops).toBeGreaterThan(0)
    subscription.unsubscribe()
    await settle(bus)
    const after = hops
    await settle(bus)
    expect(hops).toBe(after)
  })

  it('loses what waits when an outage begins', async () => {
    const hub = createInProcessBusHub()
    const bus = hub.connect()
    const r = recorder()
    bus.subscribe('s', r.onMessage)
    bus.publish('s', utf8('lost'))
    hub.interrupt()
    await expect(bus.flush()).rejects.toThrow('disconnected')
    hub.restore()
    bus.publish('s', utf8('kept'))
    await settle(bus)
    expect(r.texts()).toEqual(['kept'])
  })
})
