package import GatewayCore
import Telemetry

/// What of a start takes long, in small steps: packets may be taken in between.
///
/// Purpose: let a core remember what its vehicles' readings came to. State: how far it is. Inputs:
/// the store, whose readings were opened again. Outputs: a gateway that goes on. Left out on
/// purpose: what must be known before the first packet (`Restorer.load`).
package struct Recall: Sendable {
    private static let checkpointsAtOnce = 500

    private enum Phase {
        case checkpoints
        case journal
        case relearning
    }

    private let writer: Writer
    private var phase = Phase.checkpoints
    private var vehicle: VehicleID?
    private var row: Int64 = 0
    private var unreadable: [VehicleID] = []
    private var readingsLeft = Limits.relearningReadingsMax
    /// Where trends that are learnt again begin.
    private var start: Timestamp?

    /// Vehicles whose checkpoint could not be read.
    package private(set) var unreadableCount = 0
    /// How many of them have learnt their trends again.
    package private(set) var relearntCount = 0

    package init(_ writer: Writer) {
        self.writer = writer
    }

    /// Takes the next step; the last one lets the gateway go on.
    /// - Returns: whether there is another.
    package mutating func step(_ gateway: inout Gateway) throws(StoreError) -> Bool {
        let start = start ?? gateway.now - .days(Int64(Limits.relearningDaysMax))
        self.start = start
        switch phase {
        case .checkpoints:
            let checkpoints = try writer.checkpoints(
                after: vehicle,
                limit: Recall.checkpointsAtOnce
            )
            let failed = gateway.takeUp(checkpoints)
            unreadable += failed
            unreadableCount += failed.count
            vehicle = checkpoints.last?.vehicle
            if checkpoints.isEmpty { phase = .journal }
        case .journal:
            var told = row
            defer { row = told }
            let last = try writer.recall(after: row) { unit in
                gateway.recall(unit)
                told = unit.row
            }
            told = last.row
            guard last.isEnd else { break }
            // At once, or a packet that comes before the next step would put it off for ever.
            guard unreadable.isEmpty else {
                phase = .relearning
                break
            }
            gateway.resume()
            return false
        case .relearning:
            let row = writer.lastRow
            if let vehicle = unreadable.last, readingsLeft > 0 {
                let readings = try writer.readings(of: vehicle, since: start)
                gateway.relearn(vehicle, from: readings, upToRow: row)
                unreadable.removeLast()
                readingsLeft -= readings.count
                relearntCount += 1
            } else {
                gateway.beginAfresh(fromRow: row)
                unreadable.removeAll()
                phase = .journal
            }
        }
        return true
    }
}
