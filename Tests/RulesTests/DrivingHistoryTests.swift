import Rules
import Telemetry
import Testing

/// A car in Shanghai that tells its counter at 08:00 and after each day's driving, at 19:00.
struct DrivenCar {
    static let shanghai = ZoneOffsets(
        name: "Asia/Shanghai",
        initialOffsetSeconds: 8 * 3_600,
        changes: []
    )

    let calendar: DrivingCalendar
    /// A Monday.
    let firstDay = Int32(clamping: CivilDate(year: 2026, month: 3, day: 2).daysSinceEpoch)
    let unitKilometres: Double
    var history = DrivingHistory()
    /// What the counter is, km.
    var toGo: Double
    /// Days lived.
    var days: Int32 = 0

    init(
        toGo: Double,
        unitKilometres: Double = 1,
        calendar: DrivingCalendar = DrivingCalendar(zone: DrivenCar.shanghai)
    ) {
        self.toGo = toGo
        self.unitKilometres = unitKilometres
        self.calendar = calendar
    }

    /// The local day in progress.
    var today: Int32 { firstDay + days }

    /// An hour of the day in progress.
    func hour(_ hour: Int) -> Timestamp { calendar.instant(day: today, minute: hour * 60) }

    @discardableResult
    mutating func tell(_ kilometres: Double, at instant: Timestamp) -> DrivingHistory.Step {
        history.note(
            toGo: kilometres / unitKilometres,
            at: instant,
            unitKilometres: unitKilometres,
            calendar
        )
    }

    /// Drives so many km on each of `count` days.
    mutating func drive(_ kilometres: Double, days count: Int, daysOff: Double? = nil) {
        for _ in 0..<count {
            tell(toGo, at: hour(8))
            toGo -= calendar.isDayOff(today) ? daysOff ?? kilometres : kilometres
            tell(toGo, at: hour(19))
            days += 1
        }
    }

    /// Stands, and tells nothing.
    mutating func stand(days count: Int32) { days += count }

    /// The forecast in the morning of the day in progress.
    func forecast() -> DrivingForecast? {
        DrivingForecast(history, now: hour(7), calendar)
    }
}

struct DrivingHistoryTests {
    @Test func theStateIsSixtyFourBytes() {
        #expect(MemoryLayout<DrivingHistory>.size <= 64)
    }

    @Test func readingsSayWhatTheyDid() {
        var car = DrivenCar(toGo: 5_000)
        #expect(!car.history.isStarted)
        #expect(car.tell(5_000, at: car.hour(8)) == .started)
        #expect(car.tell(4_980, at: car.hour(9)) == .moved)
        #expect(car.tell(4_990, at: car.hour(8)) == .withheld)
        #expect(car.tell(15_000, at: car.hour(10)) == .withheld)
        #expect(car.tell(14_999, at: car.hour(11)) == .restarted)
        #expect(car.history.kilometresToGo == 14_999)
        #expect(car.history.newestAt == car.hour(11))
    }

    @Test(arguments: [0, 41_000, -3_000, .nan, .infinity, 1e30])
    func oneWrongReadingDecidesNothing(wrong: Double) {
        var car = DrivenCar(toGo: 6_000)
        car.drive(37, days: 50)
        var same = car
        #expect(car.tell(wrong, at: car.hour(7)) == .withheld)
        #expect(!car.history.isLimitReached)
        #expect(car.forecast() == same.forecast())
        car.drive(37, days: 1)
        same.drive(37, days: 1)
        #expect(car.history == same.history)
        #expect(car.forecast() == same.forecast())
    }

    @Test func aWrongFirstReadingIsNoLimitReached() {
        var car = DrivenCar(toGo: 6_000)
        #expect(car.tell(0, at: car.hour(6)) == .started)
        #expect(!car.history.isLimitReached)
        #expect(car.forecast() == nil)
        #expect(car.tell(6_000, at: car.hour(7)) == .started)
        #expect(!car.history.isLimitReached)
        car.drive(37, days: 1)
        #expect(!car.history.isLimitReached)
        #expect(car.history.kilometresToGo == 5_963)
    }

    @Test func aRepeatedReadingConfirmsNothing() {
        var car = DrivenCar(toGo: 6_000)
        car.drive(37, days: 10)
        for _ in 0..<3 { #expect(car.tell(15_000, at: car.hour(7)) == .withheld) }
        #expect(car.history.kilometresToGo == 5_630)
    }

    @Test func lateReadingsChangeNothing() {
        var car = DrivenCar(toGo: 6_000)
        car.drive(37, days: 30)
        let before = car.history
        for hours in [1, 20, 24 * 9] {
            let late = car.history.newestAt - .hours(Int64(hours))
            #expect(car.tell(9_000, at: late) == .withheld)
        }
        #expect(car.history == before)
    }

    @Test func anotherClusterForTwoDaysLeavesTheHabits() throws {
        var car = DrivenCar(toGo: 5_750)
        car.drive(37, days: 50)
        let before = try #require(car.forecast())
        #expect(car.toGo == 3_900)
        car.toGo = 15_000
        car.drive(37, days: 2)
        #expect(abs(car.history.kilometresToGo - 14_926) < 1)
        car.toGo = 3_375
        car.drive(37, days: 2)
        #expect(abs(car.history.kilometresToGo - 3_301) < 1)
        car.drive(37, days: 3)
        let after = try #require(car.forecast())
        #expect(abs(after.kilometresADay - before.kilometresADay) < 3)
        // 3,190 km at 37 km a day.
        #expect(abs((after.middle - car.hour(7)).days - 86) < 11)
    }

    @Test func aServiceKeepsTheHabits() throws {
        var car = DrivenCar(toGo: 800 + 37 * 60)
        car.drive(37, days: 60)
        let before = try #require(car.forecast())
        car.toGo = 15_000
        car.drive(37, days: 1)
        #expect(abs(car.history.kilometresToGo - 14_963) < 1)
        let after = try #require(car.forecast())
        #expect(abs(after.kilometresADay - before.kilometresADay) < 1.5)
        #expect(after.early > before.late)
    }

    @Test func aCheckpointGoesOnAsIfNothingHadHappened() throws {
        var car = DrivenCar(toGo: 9_000)
        car.drive(37, days: 40, daysOff: 5)
        car.drive(400, days: 2)
        car.tell(15_000, at: car.hour(6))
        var writer = ByteWriter()
        car.history.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        var copy = car
        copy.history = try DrivingHistory(from: &reader)
        #expect(reader.isAtEnd)
        #expect(copy.history == car.history)
        copy.drive(37, days: 5)
        car.drive(37, days: 5)
        #expect(copy.history == car.history)
        #expect(copy.forecast() == car.forecast())
    }

    @Test func aDamagedCheckpointIsRefused() {
        var writer = ByteWriter()
        for _ in 0..<16 { writer.put(Float.nan) }
        #expect(throws: CheckpointError.self) {
            var reader = ByteReader(writer.bytes)
            _ = try DrivingHistory(from: &reader)
        }
        #expect(throws: CheckpointError.self) {
            var reader = ByteReader(Array(writer.bytes.prefix(20)))
            _ = try DrivingHistory(from: &reader)
        }
    }
}

struct DrivingCalendarTests {
    private func day(_ month: Int, _ day: Int) -> Int32 {
        Int32(clamping: CivilDate(year: 2026, month: month, day: day).daysSinceEpoch)
    }

    private let calendar = DrivingCalendar(
        zone: DrivenCar.shanghai,
        off: [
            CivilDate(year: 2026, month: 5, day: 1), CivilDate(year: 2026, month: 5, day: 2),
            CivilDate(year: 2026, month: 5, day: 4),
        ],
        work: [CivilDate(year: 2026, month: 5, day: 9)]
    )

    @Test func daysOffAreWeekendsAndHolidaysThatAreNotWorked() {
        #expect(!calendar.isDayOff(day(4, 30)))
        #expect(calendar.isDayOff(day(5, 1)) && calendar.isPublicHoliday(day(5, 1)))
        #expect(calendar.isDayOff(day(5, 2)) && calendar.isPublicHoliday(day(5, 2)))
        #expect(calendar.isDayOff(day(5, 3)) && !calendar.isPublicHoliday(day(5, 3)))
        #expect(!calendar.isDayOff(day(5, 9)) && !calendar.isPublicHoliday(day(5, 9)))
        #expect(calendar.isDayOff(day(5, 10)))
    }

    @Test func localDaysBeginAtLocalMidnight() {
        let midnight = Timestamp(milliseconds: Int64(day(5, 1)) * 86_400_000) - .hours(8)
        #expect(calendar.day(of: midnight) == day(5, 1))
        #expect(calendar.day(of: midnight - .seconds(1)) == day(4, 30))
        #expect(calendar.instant(day: day(5, 1)) == midnight)
        #expect(calendar.instant(day: day(5, 1), minute: -90) == midnight - .minutes(90))
    }
}
