// A scenario that did not go as it says: the reason alone; the line is known to whoever runs the commands.
// Not for files that cannot be parsed (ScenarioSyntaxError).
export class ScenarioFailure extends Error {
  override readonly name = 'ScenarioFailure'
}
