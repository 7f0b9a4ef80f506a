import Access
import GatewayCore
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1`: stations, what they can do, and how full they are.
struct StationsAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1")
        group.get("/stations") { request, context in
            _ = try Query(request, known: [])
            let seen = services.stations.filter { context.caller.sees(station: $0.code) }
            return try jsonResponse(ListDTO(items: seen.map(StationDTO.init), nextCursor: nil))
        }
        group.get("/catalogue") { request, _ in
            _ = try Query(request, known: [])
            return try jsonResponse(
                ListDTO(items: services.jobs.map(JobDTO.init), nextCursor: nil)
            )
        }
        group.get("/capacity") { request, context in try await capacity(request, context) }
    }

    /// What takes the bays of a station, day by day.
    private func capacity(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["station", "day", "days"])
        let code = query["station"] ?? services.stations[0].code
        try context.require(station: code)
        guard let station = services.stations.first(where: { $0.code == code }) else {
            throw query.invalid("station", "the code of a station")
        }
        let first: CivilDate
        if let text = query["day"] {
            guard let day = CivilDate(iso8601: text) else {
                throw query.invalid("day", "a date such as 2026-11-21")
            }
            first = day
        } else {
            first = station.zone.civil(services.clock()).date
        }
        guard let days = Int(query["days"] ?? "1"), (1...Limits.capacityDaysMax).contains(days)
        else { throw query.invalid("days", "in 1…\(Limits.capacityDaysMax)") }
        let dates = (0..<Int64(days)).map { CivilDate(daysSinceEpoch: first.daysSinceEpoch + $0) }
        let whole = OpenInterval(
            start: midnight(first, station),
            end: midnight(CivilDate(daysSinceEpoch: first.daysSinceEpoch + Int64(days)), station)
        )
        let taken = try await services.reads.occupancies(
            ofBays: Set(station.bays.map(\.code)),
            within: whole
        )
        let closures = try await services.reads.closures(
            stations: [code],
            within: whole,
            limit: Limits.pageRowsMax
        )
        return try jsonResponse(
            ListDTO(
                items: dates.map { date in
                    let next = CivilDate(daysSinceEpoch: date.daysSinceEpoch + 1)
                    let day = OpenInterval(
                        start: midnight(date, station),
                        end: midnight(next, station)
                    )
                    return CapacityDTO(date, day, station, taken: taken, closures: closures)
                },
                nextCursor: nil
            )
        )
    }

    private func midnight(_ date: CivilDate, _ station: Station) -> Timestamp {
        station.zone.instant(of: CivilTime(date: date, minute: 0))
    }
}

struct StationDTO: Encodable {
    struct BayDTO: Encodable {
        var bay: String
        var kinds: [String]
    }

    struct TechnicianDTO: Encodable {
        var technician: String
        var skills: [String]
    }

    struct NameDTO: Encodable {
        var zh: String
        var en: String
    }

    var station: String
    var title: NameDTO
    var phone: String
    var timeZone: String
    var bays: [BayDTO]
    var technicians: [TechnicianDTO]
    var gridMinutes: Int
    var bufferMinutes: Int
    var radiusKilometres: Double

    init(_ station: Station) {
        self.station = station.code
        title = NameDTO(zh: station.titleZH, en: station.titleEN)
        phone = station.phone
        timeZone = station.zone.name
        bays = station.bays.map {
            BayDTO(bay: $0.code, kinds: $0.kinds.map(\.rawValue).sorted())
        }
        technicians = station.technicians.map {
            TechnicianDTO(technician: $0.code, skills: $0.skills.sorted())
        }
        gridMinutes = station.gridMinutes
        bufferMinutes = station.bufferMinutes
        radiusKilometres = station.radiusKilometres
    }

    enum CodingKeys: String, CodingKey {
        case station, title, phone, bays, technicians
        case timeZone = "time_zone"
        case gridMinutes = "grid_minutes"
        case bufferMinutes = "buffer_minutes"
        case radiusKilometres = "radius_km"
    }
}

struct JobDTO: Encodable {
    struct PartDTO: Encodable {
        var part: String
        var isStocked: Bool
        var leadDays: Int

        enum CodingKeys: String, CodingKey {
            case part
            case isStocked = "is_stocked"
            case leadDays = "lead_days"
        }
    }

    var job: String
    var title: StationDTO.NameDTO
    var minutes: Int
    var bayKind: String
    var skill: String?
    var sharedGroup: String?
    var parts: [PartDTO]

    init(_ job: Job) {
        self.job = job.code
        title = StationDTO.NameDTO(zh: job.titleZH, en: job.titleEN)
        minutes = job.minutes
        bayKind = job.bayKind.rawValue
        skill = job.skill
        sharedGroup = job.sharedGroup
        parts = job.parts.map {
            PartDTO(part: $0.code, isStocked: $0.isStocked, leadDays: $0.leadDays)
        }
    }

    enum CodingKeys: String, CodingKey {
        case job, title, minutes, skill, parts
        case bayKind = "bay_kind"
        case sharedGroup = "shared_group"
    }
}

/// One day of one station.
struct CapacityDTO: Encodable {
    struct IntervalDTO: Encodable {
        var start: String
        var end: String
    }

    struct TakenDTO: Encodable {
        var kind: String
        var bay: String
        var technician: String?
        var start: String
        var end: String
        var vehicle: String?
        var suggestion: Int64?
        var appointment: Int64?
        var hold: Int64?
        var holder: String?
        /// When a hold ends.
        var until: String?

        init(_ row: OccupancyRecord) {
            kind = row.kind.rawValue
            bay = row.bayCode
            technician = row.technicianCode
            start = "\(row.start)"
            end = "\(row.end)"
            vehicle = row.vehicle
            suggestion = row.suggestion
            appointment = row.appointment
            hold = row.holder == nil ? nil : row.id
            holder = row.holder
            until = row.expiresAt.map { "\($0)" }
        }
    }

    /// Bay minutes: those in which the station is open, and what takes them.
    struct MinutesDTO: Encodable {
        var open: Int
        /// Of the open ones, those that closures take.
        var closed: Int
        var booked: Int
        var held: Int
    }

    var station: String
    var day: String
    var open: [IntervalDTO]
    var closures: [ClosureDTO]
    var taken: [TakenDTO]
    var minutes: MinutesDTO

    init(
        _ date: CivilDate,
        _ day: OpenInterval,
        _ station: Station,
        taken: [OccupancyRecord],
        closures: [ClosureRecord]
    ) {
        self.station = station.code
        self.day = "\(date)"
        let intervals = station.openIntervals(on: date)
        open = intervals.map { IntervalDTO(start: "\($0.start)", end: "\($0.end)") }
        self.closures = closures.filter { $0.start < day.end && $0.end > day.start }
            .map(ClosureDTO.init)
        let today = taken.filter { $0.start < day.end && $0.end > day.start }
        self.taken = today.map(TakenDTO.init)
        func minutes(_ kind: Occupancy.Kind) -> Int {
            today.filter { $0.kind == kind }.reduce(0) { sum, row in
                sum + Int((min(row.end, day.end) - max(row.start, day.start)).minutes)
            }
        }
        let shut = closures.filter { $0.scope != "technician" }
        let closed = station.bays.reduce(0) { sum, bay in
            let own = shut.filter { $0.placeCode == nil || $0.placeCode == bay.code }
            return sum + CapacityDTO.minutes(of: own, within: intervals)
        }
        self.minutes = MinutesDTO(
            open: intervals.reduce(0) { $0 + Int(($1.end - $1.start).minutes) }
                * station.bays.count,
            closed: closed,
            booked: minutes(.appointment),
            held: minutes(.hold)
        )
    }

    /// Minutes that closures of one bay take of the opening hours; overlapping ones count once.
    private static func minutes(
        of closures: [ClosureRecord],
        within intervals: [OpenInterval]
    ) -> Int {
        var minutes = 0.0
        for interval in intervals {
            var reached = interval.start
            for closure in closures.sorted(by: { $0.start < $1.start }) {
                let start = max(closure.start, reached)
                let end = min(closure.end, interval.end)
                guard start < end else { continue }
                minutes += (end - start).minutes
                reached = end
            }
        }
        return Int(minutes)
    }
}
