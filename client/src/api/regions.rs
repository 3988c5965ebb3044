//! Regions: `/v1/cluster/regions`, for the operator of the cluster.
//!
//! A change is answered when it has reached the required consistency; the cluster then reconciles
//! toward it. The list shows the progress.

use concordat_proto::{
    api::region::{Failover, LostWrites, MemberRegion, RegionAdd, RegionPatch},
    id::NodeId,
    region::Region,
};

use crate::{
    api::{
        admin::{self, AdminWrite},
        read,
        write::Write,
    },
    call::core::Core,
    error::ClientError,
    model::identity::Identity,
};

const REGIONS: &str = "/v1/cluster/regions";

/// The regions of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Regions<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> Regions<'a> {
    /// Lists them.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn list(self) -> Result<Vec<MemberRegion>, ClientError> {
        Ok(read::one(self.core, Identity::Operator, REGIONS.to_owned()).await?.value)
    }

    /// Names a further region, so that its nodes may join. Naming it again changes nothing.
    #[expect(clippy::should_implement_trait, reason = "regions are no numbers")]
    pub fn add(self, region: &Region) -> Write<'a, AdminWrite> {
        admin::post(self.core, REGIONS.to_owned(), RegionAdd { region: region.clone() })
    }

    /// Removes a region that no organization is at home in, with all its nodes. It is gone once it
    /// is not listed any more.
    pub fn remove(self, region: &Region) -> Write<'a, AdminWrite> {
        admin::delete(self.core, one(region))
    }

    /// Cancels a removal that has begun.
    pub fn cancel_removal(self, region: &Region) -> Write<'a, AdminWrite> {
        admin::patch(self.core, one(region), RegionPatch::CancelRemoval)
    }

    /// Moves the voters and the leader of the region's group to another region, or back to its own.
    /// No write is lost; the region must be reachable.
    pub fn relocate(self, region: &Region, to: &Region) -> Write<'a, AdminWrite> {
        admin::patch(self.core, one(region), RegionPatch::Relocate(to.clone()))
    }

    /// Fails a lost region over: its organizations' writes are ordered in another region from then
    /// on. `fenced` confirms that all nodes of the lost region are stopped; `skip_nodes` names
    /// nodes elsewhere that are permanently lost too.
    pub fn failover(
        self,
        region: &Region,
        to: &Region,
        fenced: bool,
        skip_nodes: &[NodeId],
    ) -> Write<'a, AdminWrite> {
        let (to, skip_nodes) = (to.clone(), skip_nodes.to_vec());
        let body = Failover { to, confirm_fenced: fenced, skip_nodes };
        admin::post(self.core, format!("{}/failover", one(region)), body)
    }

    /// The writes that only the nodes of a failed region have, as far as these nodes report.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn lost_writes(self, region: &Region) -> Result<LostWrites, ClientError> {
        let path = format!("{}/divergence", one(region));
        Ok(read::one(self.core, Identity::Operator, path).await?.value)
    }

    /// Creates the group of a region on another node, where the first one was lost before it had created
    /// it. The call confirms that the first node is fenced: it never runs again.
    pub fn recreate_group(self, region: &Region, node: NodeId) -> Write<'a, AdminWrite> {
        admin::patch(self.core, one(region), RegionPatch::RecreateGroup(node))
    }
}

fn one(region: &Region) -> String {
    format!("{REGIONS}/{region}")
}
