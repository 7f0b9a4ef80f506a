import Rules
import Telemetry
import Testing

struct DrivingForecastTests {
    /// Holds for every forecast, whatever the car.
    private func expectOrder(_ forecast: DrivingForecast, now: Timestamp) {
        #expect(forecast.early >= now)
        #expect(forecast.early <= forecast.middle)
        #expect(forecast.middle <= forecast.late)
        #expect(forecast.actBy >= now)
        #expect(forecast.actBy <= forecast.middle)
        #expect(forecast.kilometresADay > 0)
    }

    @Test func anEvenDriverIsForeseenToTheWeek() throws {
        var car = DrivenCar(toGo: 695 + 37 * 60)
        car.drive(37, days: 60)
        let forecast = try #require(car.forecast())
        let now = car.hour(7)
        expectOrder(forecast, now: now)
        // 695 km at 37 km a day.
        let due = now + .days(695.0 / 37)
        #expect(forecast.early < due && due < forecast.late)
        #expect((forecast.late - forecast.early).days <= 8)
        #expect(abs((forecast.middle - due).days) < 2)
        #expect(forecast.actBy <= due)
        #expect(abs(forecast.kilometresADay - 37) < 5)
    }

    @Test func engineHoursAreForeseenAsKilometresAre() throws {
        var car = DrivenCar(toGo: 695 + 37 * 60)
        var hours = DrivenCar(toGo: 695 + 37 * 60, unitKilometres: 25)
        car.drive(37, days: 60)
        hours.drive(37, days: 60)
        let expected = try #require(car.forecast())
        let forecast = try #require(hours.forecast())
        #expect(abs((forecast.middle - expected.middle).days) < 0.1)
        #expect(abs(forecast.kilometresADay - expected.kilometresADay) < 0.1)
    }

    @Test func aChangeOfUseIsFollowedWithinTwoWeeks() throws {
        var car = DrivenCar(toGo: 20_000)
        car.drive(37, days: 60)
        let before = try #require(car.forecast())
        #expect(before.kilometresADay < 45)
        car.drive(300, days: 14)
        car.toGo = 3_000
        car.drive(300, days: 1)
        let forecast = try #require(car.forecast())
        expectOrder(forecast, now: car.hour(7))
        // 2,700 km at 300 km a day.
        let due = car.hour(7) + .days(9.0)
        #expect(forecast.early < due && due < forecast.late)
    }

    @Test func aParkedCarKeepsItsHabits() throws {
        var car = DrivenCar(toGo: 5_000)
        car.drive(37, days: 60)
        let before = try #require(car.forecast())
        car.stand(days: 21)
        let parked = try #require(car.forecast())
        expectOrder(parked, now: car.hour(7))
        #expect(parked.kilometresADay == before.kilometresADay)
        #expect(parked.middle > before.middle)
        car.drive(37, days: 3)
        let after = try #require(car.forecast())
        #expect(abs(after.kilometresADay - before.kilometresADay) < 5)
    }

    @Test func drivingWhileNoReadingCameIsSpreadOverItsDays() throws {
        var car = DrivenCar(toGo: 5_000)
        car.drive(37, days: 40)
        let before = try #require(car.forecast())
        car.stand(days: 5)
        car.toGo -= 5 * 37
        car.drive(37, days: 1)
        let after = try #require(car.forecast())
        #expect(abs(after.kilometresADay - before.kilometresADay) < 3)
    }

    @Test func workingDaysAndDaysOffAreToldApart() throws {
        var car = DrivenCar(toGo: 9_000)
        car.drive(0, days: 56, daysOff: 120)
        // A Monday: two weekends of 240 km each, then the next.
        car.toGo = 500
        car.tell(500, at: car.hour(5))
        car.tell(500, at: car.hour(6))
        let forecast = try #require(car.forecast())
        #expect(car.calendar.isDayOff(car.calendar.day(of: forecast.middle)))
    }

    @Test func publicHolidaysAreDaysOff() throws {
        let holidays = (1...14).map { CivilDate(year: 2026, month: 5, day: $0) }
        let calendar = DrivingCalendar(zone: DrivenCar.shanghai, off: holidays)
        var car = DrivenCar(toGo: 60 * 44 + 660)
        var other = DrivenCar(toGo: 60 * 44 + 660, calendar: calendar)
        // 2 March to 30 April.
        car.drive(60, days: 60, daysOff: 0)
        other.drive(60, days: 60, daysOff: 0)
        let plain = try #require(car.forecast())
        let delayed = try #require(other.forecast())
        #expect(delayed.middle - plain.middle > .days(5.0))
    }

    @Test func nothingIsSaidInTheFirstDays() {
        var car = DrivenCar(toGo: 700)
        #expect(car.forecast() == nil)
        car.drive(37, days: 2)
        #expect(car.forecast() == nil)
        #expect(car.history.warmUpEnd(car.calendar) == car.calendar.instant(day: car.today + 1))
        car.drive(37, days: 1)
        #expect(car.forecast() != nil)
    }

    @Test func nothingIsSaidOfADayOutOfSight() {
        var car = DrivenCar(toGo: 200_000)
        car.drive(20, days: 30)
        #expect(car.forecast() == nil)
    }

    @Test func aCounterThatHasRunDownIsReachedNow() throws {
        var car = DrivenCar(toGo: 37 * 20)
        car.drive(37, days: 20)
        #expect(car.history.isLimitReached)
        let forecast = try #require(car.forecast())
        let now = car.hour(7)
        #expect(
            [forecast.early, forecast.middle, forecast.late, forecast.actBy]
                == [now, now, now, now]
        )
    }

    @Test func aCarJustConnectedIsForeseenInAWiderRange() throws {
        var car = DrivenCar(toGo: 37 * 34)
        car.drive(37, days: 4)
        let young = try #require(car.forecast())
        expectOrder(young, now: car.hour(7))
        let due = car.hour(7) + .days(30.0)
        #expect(young.early < due && due < young.late)
        var known = DrivenCar(toGo: 37 * 90)
        known.drive(37, days: 60)
        let old = try #require(known.forecast())
        #expect(old.late - old.early < young.late - young.early)
    }

    @Test func aTaxiJustConnectedIsForeseenInTime() throws {
        var taxi = DrivenCar(toGo: 300 * 18)
        taxi.drive(300, days: 8)
        let forecast = try #require(taxi.forecast())
        expectOrder(forecast, now: taxi.hour(7))
        let due = taxi.hour(7) + .days(10.0)
        #expect(forecast.early < due && due < forecast.late)
        #expect(forecast.actBy < due)
        #expect((forecast.late - forecast.early).days <= 8)
    }

    @Test func longTripsWidenTheRangeAndLeaveTheOrdinaryDaysAlone() throws {
        var plain = DrivenCar(toGo: 37 * 90)
        plain.drive(37, days: 60)
        var traveller = DrivenCar(toGo: 37 * 90 + 4 * 400)
        for _ in 0..<2 {
            traveller.drive(37, days: 14)
            traveller.drive(400, days: 2)
            traveller.drive(37, days: 14)
        }
        let even = try #require(plain.forecast())
        let uneven = try #require(traveller.forecast())
        #expect(abs(uneven.kilometresADay - even.kilometresADay) < 30)
        #expect(uneven.early < even.early)
        #expect((uneven.late - uneven.early).days > (even.late - even.early).days)
    }

    @Test(arguments: [3.0, 37, 90, 350])
    func timesAreInOrderAllTheWay(kilometresADay: Double) throws {
        var car = DrivenCar(toGo: kilometresADay * 120 - 1)
        var middle: Timestamp?
        while car.toGo > 0 {
            car.drive(kilometresADay, days: 1)
            guard let forecast = car.forecast() else { continue }
            expectOrder(forecast, now: car.hour(7))
            middle = forecast.middle
        }
        #expect(middle == car.hour(7))
    }

    @Test func aZoneWithDaylightSavingCountsItsOwnDays() throws {
        let berlin = ZoneOffsets(
            name: "Europe/Berlin",
            initialOffsetSeconds: 3_600,
            changes: [
                ZoneOffsets.Change(
                    from: Timestamp(
                        milliseconds: CivilDate(year: 2026, month: 3, day: 29).daysSinceEpoch
                            * 86_400_000
                    ) + .hours(1),
                    offsetSeconds: 7_200
                )
            ]
        )
        let calendar = DrivingCalendar(zone: berlin)
        var car = DrivenCar(toGo: 1_200, calendar: calendar)
        car.drive(40, days: 20)
        let forecast = try #require(car.forecast())
        expectOrder(forecast, now: car.hour(7))
        for edge in [forecast.early, forecast.late] {
            #expect(calendar.instant(day: calendar.day(of: edge)) == edge)
        }
    }
}
