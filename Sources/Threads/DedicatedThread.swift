import Glibc

/// A thread of our own for calls that block: the cooperative pool must never wait for a disk, a
/// socket or a child process.
package final class DedicatedThread: @unchecked Sendable {
    // Guard: `handle` is written in init and read once in `join`, by the one owner.
    private let handle: pthread_t

    /// Starts `body` on a new thread; signals are left to the main thread.
    package init(name: String, body: @escaping @Sendable () -> Void) {
        let box = unsafe Unmanaged.passRetained(Body(run: body))
        var handle = pthread_t()
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_BLOCK, &all, &before)
        let code = unsafe pthread_create(
            &handle,
            nil,
            { argument in
                if let argument = unsafe argument {
                    let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                    body.run()
                }
                return nil
            },
            unsafe box.toOpaque()
        )
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        precondition(code == 0, "The system gives no thread for \(name).")
        self.handle = handle
    }

    /// Waits until the body has returned.
    ///
    /// Call once.
    package func join() {
        pthread_join(handle, nil)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(run: @escaping @Sendable () -> Void) {
            self.run = run
        }
    }
}
