// What a command found wrong and wants to say in one line: exit code 1, no stack.
// Not for wrong use of a command (UsageError, exit code 2), nor for defects (any other error).
export class Problem extends Error {
  override readonly name = 'Problem'
}
