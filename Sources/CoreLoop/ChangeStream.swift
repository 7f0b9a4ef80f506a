import Synchronization
import Telemetry

/// "Something on your page may have changed": bounded, the newest wins, nobody can slow the core.
package final class ChangeStream: Sendable {
    private struct State {
        var revision = 0
        var nextSubscriber = 0
        var subscribers: [Int: AsyncStream<Int>.Continuation] = [:]
    }

    private let state = Mutex(State())

    /// The number of the last change of records, from the start of the process.
    package var revision: Int { state.withLock { $0.revision } }

    /// Tells every listener the number of the last change of records; `isChanged` raises it.
    func publish(isChanged: Bool) {
        state.withLock { state in
            if isChanged { state.revision += 1 }
            for subscriber in state.subscribers.values { subscriber.yield(state.revision) }
        }
    }

    /// Revisions from now on, repeated every few seconds as a sign of life; nil when
    /// `Limits.changeSubscribersMax` pages listen already.
    package func subscribe() -> AsyncStream<Int>? {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Int.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        let number: Int? = state.withLock { state in
            guard state.subscribers.count < Limits.changeSubscribersMax else { return nil }
            state.nextSubscriber += 1
            state.subscribers[state.nextSubscriber] = continuation
            return state.nextSubscriber
        }
        guard let number else { return nil }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.subscribers.removeValue(forKey: number) }
        }
        continuation.yield(state.withLock { $0.revision })
        return stream
    }

    /// Ends every subscription.
    func finish() {
        let subscribers = state.withLock { state in
            defer { state.subscribers.removeAll() }
            return Array(state.subscribers.values)
        }
        for subscriber in subscribers { subscriber.finish() }
    }
}
