/// A place on the map, degrees (WGS 84).
package struct GeoPoint: Sendable, Equatable, Codable {
    /// Source: mean radius of the earth, 6,371.0 km (IUGG), times one degree.
    private static let kilometresPerDegree = 111.195

    package var latitude: Double
    package var longitude: Double

    package init(latitude: Double, longitude: Double) {
        self.latitude = latitude
        self.longitude = longitude
    }

    /// The distance on a plane through the middle latitude: within 1 % up to 500 km, where homes
    /// are known to 5 km only.
    package func kilometres(to other: GeoPoint) -> Double {
        let north = other.latitude - latitude
        var east = other.longitude - longitude
        if east > 180 { east -= 360 }
        if east < -180 { east += 360 }
        let scale = GeoPoint.cosine(degrees: (latitude + other.latitude) / 2)
        return (north * north + east * east * scale * scale).squareRoot()
            * GeoPoint.kilometresPerDegree
    }

    /// The middle of the area of some 5 km it lies in: as exactly as a home may be known.
    package var coarse: GeoPoint {
        func middle(_ degrees: Double) -> Double { (degrees * 20).rounded() / 20 }
        return GeoPoint(latitude: middle(latitude), longitude: middle(longitude))
    }

    /// Taylor's series to the tenth power: error below 5e-7 up to 90 degrees.
    private static func cosine(degrees: Double) -> Double {
        let x = degrees * .pi / 180
        let square = x * x
        return 1 - square / 2
            * (1 - square / 12 * (1 - square / 30 * (1 - square / 56 * (1 - square / 90))))
    }
}
