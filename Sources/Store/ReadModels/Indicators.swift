import GRDB
import GatewayCore
package import Telemetry

/// What a station is measured by, over the visits and suggestions of a period.
package enum Indicator: String, CaseIterable, Sendable {
    /// Suggestions that became visits, of all that ended.
    case acceptance
    /// Minutes from a suggestion to the first attempt; the share that was in time.
    case response
    /// Days from a visit to when the limit would have been met; the share that came before.
    case leadTime = "lead_time"
    /// Visits to which the customer came.
    case showRate = "show_rate"
    /// Minutes between arrival and work.
    case waiting
    /// Minutes of work beyond what the catalogue says.
    case estimate
    /// Attempts that reached somebody.
    case reach
}

/// An indicator of one station.
package struct IndicatorRow: Sendable, Equatable {
    package var stationCode: String
    package var count: Int
    /// 0…1; nil for what has no good or bad.
    package var share: Double?
    package var median: Double?
    /// Nine of ten are at most this.
    package var ninth: Double?
}

extension ReadStore {
    /// An indicator by station, over what happened from `from` up to `to`; of some stations only,
    /// where they are named.
    package func indicator(
        _ indicator: Indicator,
        from: Timestamp,
        to: Timestamp,
        stations: Set<String>?
    ) async throws -> [IndicatorRow] {
        try await store.pool.read { database in
            var values: [String: [Double]] = [:]
            var good: [String: Int] = [:]
            let rows = try Row.fetchCursor(
                database,
                sql: IndicatorSQL.select(indicator),
                arguments: [from.milliseconds, to.milliseconds, stations.map(JSONList.text)]
            )
            while let row = try rows.next() {
                let code: String = row["station_code"]
                if let value = row["value"] as Double? { values[code, default: []].append(value) }
                good[code, default: 0] += row["is_good"] ?? 0
            }
            return values.keys.sorted().map { code in
                let sorted = (values[code] ?? []).sorted()
                return IndicatorRow(
                    stationCode: code,
                    count: sorted.count,
                    share: IndicatorSQL.hasShare(indicator)
                        ? Double(good[code] ?? 0) / Double(max(1, sorted.count)) : nil,
                    median: IndicatorSQL.hasQuantiles(indicator) ? quantile(sorted, 0.5) : nil,
                    ninth: IndicatorSQL.hasQuantiles(indicator) ? quantile(sorted, 0.9) : nil
                )
            }
        }
    }

    /// Minutes booked and held at stations in a period, by station.
    package func takenMinutes(
        from: Timestamp,
        to: Timestamp,
        stations: Set<String>?
    ) async throws -> [String: (booked: Double, held: Double)] {
        try await store.pool.read { database in
            var minutes: [String: (booked: Double, held: Double)] = [:]
            let rows = try Row.fetchCursor(
                database,
                sql: IndicatorSQL.taken,
                arguments: [from.milliseconds, to.milliseconds, stations.map(JSONList.text)]
            )
            while let row = try rows.next() {
                minutes[row["station_code"], default: (0, 0)].booked += row["booked"]
                minutes[row["station_code"], default: (0, 0)].held += row["held"]
            }
            return minutes
        }
    }
}

/// The nearest-rank quantile of ascending values; nil of none.
private func quantile(_ sorted: [Double], _ share: Double) -> Double? {
    guard !sorted.isEmpty else { return nil }
    let rank = Int((share * Double(sorted.count)).rounded(.up))
    return sorted[max(0, min(sorted.count - 1, rank - 1))]
}

private enum IndicatorSQL {
    static func hasShare(_ indicator: Indicator) -> Bool {
        indicator != .waiting && indicator != .estimate
    }

    static func hasQuantiles(_ indicator: Indicator) -> Bool {
        [.response, .leadTime, .waiting, .estimate].contains(indicator)
    }

    /// Rows of `station_code`, `value` and `is_good`; ?1 and ?2 bound the time, ?3 the stations.
    static func select(_ indicator: Indicator) -> String {
        let inScope = "(?3 IS NULL OR station_code IN (SELECT value FROM json_each(?3)))"
        switch indicator {
        case .acceptance:
            return """
                SELECT station_code, 1.0 AS value, state = 'booked' AS is_good FROM suggestion
                WHERE state IN ('booked', 'declined', 'expired')
                    AND updated_ms >= ?1 AND updated_ms < ?2 AND \(inScope)
                """
        case .response:
            return """
                SELECT s.station_code, (min(a.at_ms) - s.created_ms) / 60000.0 AS value,
                    NOT s.is_breached AS is_good
                FROM suggestion s JOIN contact_attempt a ON a.suggestion_id = s.id
                WHERE s.created_ms >= ?1 AND s.created_ms < ?2 AND \(inScope) GROUP BY s.id
                """
        case .leadTime:
            return """
                SELECT v.station_code, (min(a.middle_ms) - v.start_ms) / 86400000.0 AS value,
                    min(a.middle_ms) > v.start_ms AS is_good
                FROM appointment v JOIN appointment_alert l ON l.appointment_id = v.id
                JOIN alert a ON a.id = l.alert_id AND a.middle_ms IS NOT NULL
                WHERE v.start_ms >= ?1 AND v.start_ms < ?2 AND \(inScope) GROUP BY v.id
                """
        case .showRate:
            return """
                SELECT station_code, 1.0 AS value, arrived_ms IS NOT NULL AS is_good
                FROM appointment
                WHERE start_ms >= ?1 AND start_ms < ?2
                    AND (arrived_ms IS NOT NULL OR missed_ms IS NOT NULL) AND \(inScope)
                """
        case .waiting:
            return """
                SELECT station_code, (started_ms - arrived_ms) / 60000.0 AS value, 0 AS is_good
                FROM appointment
                WHERE arrived_ms >= ?1 AND arrived_ms < ?2 AND started_ms IS NOT NULL
                    AND \(inScope)
                """
        case .estimate:
            return """
                SELECT station_code, (finished_ms - started_ms) / 60000.0 - minutes AS value,
                    0 AS is_good
                FROM appointment
                WHERE finished_ms >= ?1 AND finished_ms < ?2 AND started_ms IS NOT NULL
                    AND \(inScope)
                """
        case .reach:
            return """
                SELECT s.station_code, 1.0 AS value, a.outcome <> 'unreachable' AS is_good
                FROM contact_attempt a JOIN suggestion s ON s.id = a.suggestion_id
                WHERE a.at_ms >= ?1 AND a.at_ms < ?2 AND NOT a.is_redial AND \(inScope)
                """
        }
    }

    /// A visit's time counts, whether or not it is over; a hold only while it lasts.
    static let taken = """
        SELECT station_code, (min(end_ms, ?2) - max(start_ms, ?1)) / 60000.0 AS booked, 0.0 AS held
        FROM appointment
        WHERE state NOT IN ('cancelled', 'no_show') AND start_ms < ?2 AND end_ms > ?1
            AND (?3 IS NULL OR station_code IN (SELECT value FROM json_each(?3)))
        UNION ALL
        SELECT s.station_code, 0.0, (min(o.end_ms, ?2) - max(o.start_ms, ?1)) / 60000.0
        FROM occupancy o JOIN suggestion s ON s.id = o.suggestion_id
        WHERE o.kind = 'hold' AND o.start_ms < ?2 AND o.end_ms > ?1
            AND (?3 IS NULL OR s.station_code IN (SELECT value FROM json_each(?3)))
        UNION ALL
        SELECT station_code, 0.0, (min(end_ms, ?2) - max(start_ms, ?1)) / 60000.0
        FROM occupancy
        WHERE holder IS NOT NULL AND start_ms < ?2 AND end_ms > ?1
            AND (?3 IS NULL OR station_code IN (SELECT value FROM json_each(?3)))
        """
}
