import Glibc

/// A bounded queue between threads; the receiver may wait, the sender is refused when it is full.
///
/// A leaf in the order of locks: nothing is called while its lock is held.
@safe package final class Mailbox<Message: Sendable>: @unchecked Sendable {
    // Guard: `messages` and `isClosed` are touched only between lock and unlock of `mutex`.
    private var messages: [Message] = []
    private var isClosed = false
    private let capacity: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init(capacity: Int) {
        self.capacity = capacity
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        // Deadlines by the monotonic clock: a step of the wall clock must not stretch a wait.
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(arrived, &attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(arrived)
        unsafe pthread_mutex_destroy(mutex)
        unsafe arrived.deallocate()
        unsafe mutex.deallocate()
    }

    /// False when the mailbox is full or closed; the message is then the sender's again.
    package func send(_ message: Message) -> Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        guard !isClosed, messages.count < capacity else { return false }
        messages.append(message)
        unsafe pthread_cond_signal(arrived)
        return true
    }

    /// The next message, or nil after `milliseconds` without one, or when closed and empty.
    package func receive(waitingMilliseconds milliseconds: Int) -> Message? {
        var deadline = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &deadline)
        deadline.tv_sec += milliseconds / 1_000
        deadline.tv_nsec += milliseconds % 1_000 * 1_000_000
        if deadline.tv_nsec >= 1_000_000_000 {
            deadline.tv_sec += 1
            deadline.tv_nsec -= 1_000_000_000
        }
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while messages.isEmpty, !isClosed {
            if unsafe pthread_cond_timedwait(arrived, mutex, &deadline) == ETIMEDOUT { break }
        }
        return messages.isEmpty ? nil : messages.removeFirst()
    }

    /// Takes no more; what is in it can still be received.
    package func close() {
        unsafe pthread_mutex_lock(mutex)
        isClosed = true
        unsafe pthread_cond_broadcast(arrived)
        unsafe pthread_mutex_unlock(mutex)
    }

    package var isFinished: Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return isClosed && messages.isEmpty
    }
}

/// One answer, waited for by one thread.
package final class Reply<Value: Sendable>: Sendable {
    private let mailbox = Mailbox<Value>(capacity: 1)

    package init() {}

    package func send(_ value: Value) {
        _ = mailbox.send(value)
    }

    /// Waits at most `milliseconds`.
    package func receive(waitingMilliseconds milliseconds: Int) -> Value? {
        mailbox.receive(waitingMilliseconds: milliseconds)
    }
}
