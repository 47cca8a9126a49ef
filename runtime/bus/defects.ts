// What becomes of an exception thrown by a message callback when nobody asked to be told: the process ends by it.
// Thrown inside a transport it would tear down the connection instead, and others would lose their messages.

/** Throws `error` from a later turn of the event loop, as an uncaught exception. */
export function throwLater(error: unknown): void {
  setImmediate(() => {
    throw error
  })
}
