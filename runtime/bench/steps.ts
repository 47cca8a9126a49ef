// What one step costs on each host: a small chart stepped by the bare adapter, in the kernel, and in the simulation.
import { setup } from 'xstate'
import { erase, step } from '../../actors/actor.ts'
import { send } from '../../actors/effects.ts'
import { actions, contextOf, machineActor, machineTypes } from '../../actors/machine.ts'
import { nativeCrypto } from '../../protocols/crypto/native.ts'
import { Kernel } from '../host/kernel.ts'
import { CALM, Simulation } from '../host/sim.ts'

interface Count {
  readonly left: number
}
type Tick = { readonly type: 'tick' }

const machine = setup({
  types: machineTypes<Count, Tick>(),
  actions: actions<Count, Tick, 'count'>({
    count: (s) => (s.left === 0 ? step(s) : step({ left: s.left - 1 }, send('ticker', { type: 'tick' }))),
  }),
}).createMachine({
  id: 'ticker',
  context: contextOf,
  initial: 'ticking',
  states: { ticking: { on: { tick: { actions: 'count' } } } },
})

const ticker = machineActor<number, Count, Tick>({
  kind: 'ticker',
  version: 1,
  machine,
  start: (left) => step({ left }, send('ticker', { type: 'tick' })),
})

export interface StepCost {
  readonly host: string
  readonly microsecondsPerStep: number
}

const STEPS = 200_000

/** Median of three runs of `STEPS` steps each. */
export function stepCosts(): StepCost[] {
  const nothing = (): void => undefined
  const inKernel = (checkInvariants: boolean) => (): void => {
    const performer = { perform: nothing, appendDurably: nothing, forget: nothing }
    const kernel = new Kernel({ catalogue: [erase(ticker)], now: () => 0, checkInvariants, performer })
    kernel.start('ticker', 'ticker', STEPS)
    kernel.drain()
  }
  const inSimulation = (): void => {
    const sim = new Simulation({ seed: 1, faults: CALM, catalogue: [erase(ticker)], crypto: nativeCrypto })
    sim.addNode('n')
    sim.start('n', 'ticker', 'ticker', STEPS)
  }
  const bare = (): void => {
    let { state } = ticker.start(STEPS)
    for (let seq = 0; seq < STEPS; seq++) {
      state = ticker.step(state, { seq, at: 0, from: 'ticker', to: 'ticker', event: { type: 'tick' } }).state
    }
  }
  return [
    { host: 'adapter alone', run: bare },
    { host: 'live kernel', run: inKernel(false) },
    { host: 'kernel with invariants (replay)', run: inKernel(true) },
    { host: 'simulation (with trace hash)', run: inSimulation },
  ].map(({ host, run }) => {
    const times = [1, 2, 3].map(() => {
      const began = performance.now()
      run()
      return performance.now() - began
    })
    times.sort((a, b) => a - b)
    return { host, microsecondsPerStep: (times[1]! * 1000) / STEPS }
  })
}
