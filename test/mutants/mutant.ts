// What a mutant is: a known bug as one replacement in one source file, and the searches that must find it.
// Not the replacing (bundle.ts), nor the searching (hunt.ts). The rule to remember: `find` stands exactly once in its file, so a mutant
// whose place in the code has changed is noticed and never silently tests nothing.

/** The command that looks, and its options. `scenario` shows no more than that a run written for the bug still sees it: it comes last. */
export interface Hunt {
  readonly tool: 'check' | 'sim' | 'scenario'
  readonly args: readonly string[]
}

export interface Mutant {
  readonly id: string
  /** One sentence: what it does wrong, and where the bug is described. */
  readonly title: string
  /** `liveness`: what happens is right, but at some point nothing more can. */
  readonly kind: 'safety' | 'liveness'
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Tried in order until one finds it. */
  readonly hunts: readonly [Hunt, ...Hunt[]]
}

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '')

/** Every world of a model within these bounds. */
export const check = (model: string, bounds: string): Hunt => ({ tool: 'check', args: [model, ...words(bounds)] })

/** Simulated services, from the seed given. */
export const sim = (options: string): Hunt => ({ tool: 'sim', args: words(options) })

/** A run written for this bug, of ours (`test/scenario/NAME.scenario`). */
export const own = (name: string): Hunt => ({ tool: 'scenario', args: [`test/scenario/${name}.scenario`] })

export const commandOf = ({ tool, args }: Hunt): string => [tool, ...args].join(' ')
