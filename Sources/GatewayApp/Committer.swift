import GatewayCore
import Store
import Threads

/// Commits units on a thread of its own, so that a replay takes the next step meanwhile.
///
/// Isolation: one owner, who hands a unit over only when the one before has been answered.
final class Committer {
    private struct Order: Sendable {
        var unit: CommitUnit
        var receipt: Commit
    }

    typealias Commit = Reply<Result<CommitReceipt, StoreError>>

    /// How long one wait takes before the next begins; an end wakes it at once.
    private static let waitMilliseconds = 60_000

    private let orders: Mailbox<Order>
    private let thread: DedicatedThread

    init(_ writer: Writer) {
        let orders = Mailbox<Order>(capacity: 1)
        self.orders = orders
        thread = DedicatedThread(name: "commit") {
            while !orders.isFinished {
                let order = orders.receive(waitingMilliseconds: Committer.waitMilliseconds)
                guard let order else { continue }
                do throws(StoreError) {
                    order.receipt.send(.success(try writer.commit(order.unit)))
                } catch {
                    order.receipt.send(.failure(error))
                }
            }
        }
    }

    func commit(_ unit: CommitUnit) -> Commit {
        let commit = Commit()
        let isTaken = orders.send(Order(unit: unit, receipt: commit))
        precondition(isTaken, "A unit is handed over when the one before has been answered.")
        return commit
    }

    static func wait(for commit: Commit) throws(StoreError) -> CommitReceipt {
        while true {
            if let result = commit.receive(waitingMilliseconds: waitMilliseconds) {
                return try result.get()
            }
        }
    }

    /// Waits for the commit in hand and ends the thread.
    ///
    /// Call once.
    func close() {
        orders.close()
        thread.join()
    }
}
